/**
 * Checks of single values. Each returns what is wrong, in the words that CRI-O's users and tests
 * know, or `undefined`; none of them looks at the host.
 *
 * @module
 */
import { errorMessage } from "../failure/mod.ts";
import { parseFilter, parseLevel } from "../observe/mod.ts";
import { parseDuration } from "./duration.ts";
import { GATED_ANNOTATIONS } from "./table/annotations.ts";

type Check<Value> = (value: Value) => string | undefined;

/** The path must be absolute or empty. */
export function absolutePath(key: string): Check<string> {
  return (path) =>
    path === "" || path.startsWith("/") ? undefined : `${key} is not an absolute path: ${path}`;
}

export function absolutePaths(key: string): Check<readonly string[]> {
  return firstOf(absolutePath(key));
}

export function notNegative(key: string): Check<number> {
  return (value) => value < 0 ? `${key} must not be negative: ${value}` : undefined;
}

export const collectionPeriod: Check<number> = notNegative("collection_period");

export function portText(key: string): Check<string> {
  return (text) =>
    text === "" || (/^\d{1,5}$/.test(text) && Number(text) <= 65535)
      ? undefined
      : `${key} is not a port: ${text}`;
}

export function streamIdleTimeout(text: string): string | undefined {
  if (text === "") return undefined;
  return problem(() => parseDuration(text), "unable to parse stream_idle_timeout as duration: ");
}

export function logLevel(text: string): string | undefined {
  return problem(() => parseLevel(text), "");
}

export function logFilter(text: string): string | undefined {
  return problem(() => parseFilter(text), "custom log level filter does not compile: ");
}

export function logSizeMax(bytes: number): string | undefined {
  return bytes >= 0 && bytes < 8192 ? "log size max should be negative or >= 8192" : undefined;
}

export function timezone(name: string): string | undefined {
  if (name === "" || name.toLowerCase() === "local") return undefined;
  return problem(() => new Intl.DateTimeFormat("en", { timeZone: name }), "invalid timezone: ");
}

export function separatePullCgroup(name: string): string | undefined {
  const isPath = name.startsWith("/") && !name.split("/").includes("..");
  return name === "" || name === "pod" || name.endsWith(".slice") || isPath
    ? undefined
    : `separate_pull_cgroup must be "pod", a systemd slice or, with cgroupfs, a path: ${name}`;
}

/** A list of CPUs as the kernel writes them: `0-3,8`. */
export function cpuSet(key: string): Check<string> {
  return (text) => {
    const ranges = text === ""
      ? []
      : text.split(",").map((part) => /^(\d+)(?:-(\d+))?$/.exec(part));
    const valid = ranges.every((range) =>
      range !== null && (range[2] === undefined || Number(range[1]) <= Number(range[2]))
    );
    return valid ? undefined : `invalid ${key}: ${JSON.stringify(text)} is not a list of CPUs`;
  };
}

/** Maps as in `uid_mappings`: `container:host:size`, several with commas. */
export function idMappings(key: string): Check<string> {
  return (text) =>
    text === "" || text.split(",").every((map) => /^\d+:\d+:[1-9]\d*$/.test(map.trim()))
      ? undefined
      : `invalid ${key}: ${JSON.stringify(text)} is not container:host:size`;
}

export const sysctls: Check<readonly string[]> = firstOf((sysctl) => {
  const at = sysctl.indexOf("=");
  if (at <= 0) return `'${sysctl}' is not in the form name=value`;
  const name = sysctl.slice(0, at);
  const value = sysctl.slice(at + 1);
  return name.trim() !== name || value.trim() !== value
    ? `'${sysctl}' is invalid, extra spaces found: write name=value`
    : undefined;
});

const ULIMITS =
  "core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
    .split(" ");

export const ulimits: Check<readonly string[]> = firstOf((ulimit) => {
  const [, name, soft, hard = soft] = /^([^=]*)=(-?\d+)(?::(-?\d+))?$/.exec(ulimit) ?? [];
  if (name === undefined) return `invalid ulimit argument: ${ulimit}: write name=soft:hard`;
  if (!ULIMITS.includes(name)) return `invalid ulimit type: ${name}`;
  const low = Number(soft);
  const high = Number(hard);
  if (low < -1 || high < -1) return `invalid ulimit argument: ${ulimit}: -1 means no limit`;
  if (high === -1 || (low !== -1 && low <= high)) return undefined;
  return "ulimit soft limit must be less than or equal to hard limit: " +
    (low === -1 ? `unlimited > ${high}` : `${low} > ${high}`);
});

/** `host[:container][:permissions]`. */
export const devices: Check<readonly string[]> = firstOf((device) => {
  const parts = device.split(":");
  const [host, second, third] = parts;
  if (!host!.startsWith("/dev/") || parts.length > 3) return `${device} is not a valid device`;
  const mode = third ?? (second?.startsWith("/") ? undefined : second);
  if (mode !== undefined && !isDeviceMode(mode)) return `${device}: invalid device mode: ${mode}`;
  const path = mode === second ? undefined : second;
  if (path !== undefined && !path.startsWith("/dev/")) return `${device} is not a valid device`;
  return undefined;
});

function isDeviceMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

const CAPABILITIES = (
  "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE " +
  "DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN " +
  "MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID " +
  "SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE " +
  "SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM"
).split(" ");

/** CRI-O accepts any case, and the prefix though its documents say not to write it. */
export const capabilities: Check<readonly string[]> = firstOf((name) =>
  CAPABILITIES.includes(name.toUpperCase().replace(/^CAP_/, ""))
    ? undefined
    : `unknown capability in default_capabilities: ${name}`
);

export const allowedAnnotations: Check<readonly string[]> = firstOf((name) =>
  GATED_ANNOTATIONS.includes(name) ? undefined : `invalid allowed_annotation: ${name}`
);

export function platformPaths(paths: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(paths)
    .filter((platform) => !/^[^/]+\/[^/]+(\/[^/]+)?$/.test(platform))
    .map((platform) => `platform_runtime_paths: ${platform} is not os/arch`)[0];
}

/** A collector's name without the prefix that all of them share. */
export function collectorName(name: string): string {
  return name.replace(/^container_runtime_/, "").replace(/^crio_/, "");
}

export function metricsCollectors(known: readonly string[]): Check<readonly string[]> {
  return firstOf((name) =>
    known.includes(collectorName(name)) ? undefined : `invalid metrics collector: ${name}`
  );
}

const POD_METRICS = "cpu disk diskIO hugetlb memory network oom process spec pressure".split(" ");

export function includedPodMetrics(names: readonly string[]): string | undefined {
  if (names.includes("all")) {
    return names.length === 1 ? undefined : 'included_pod_metrics: "all" must stand alone';
  }
  const unknown = names.find((name) => !POD_METRICS.includes(name));
  return unknown === undefined ? undefined : `invalid included_pod_metrics: ${unknown}`;
}

function firstOf<Value>(check: Check<Value>): Check<readonly Value[]> {
  return (values) => {
    for (const value of values) {
      const wrong = check(value);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

function problem(attempt: () => unknown, prefix: string): string | undefined {
  try {
    attempt();
    return undefined;
  } catch (error) {
    return prefix + errorMessage(error);
  }
}
