import { join } from "@std/path";
import type { RuntimeHandlerConfig } from "../config/mod.ts";
import { CridError, errorMessage, wrapError } from "../failure/mod.ts";
import { DEFAULT_PATH, kernelFileExists, run } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { loadSeccompProfile } from "../security/mod.ts";
import { probeRuntime } from "./features.ts";
import { isHybridHost } from "./hybrid.ts";
import { KnownPrograms } from "./known_programs.ts";
import type { RuntimeHandler } from "./types.ts";

/** What handlers are made from: the configuration, and where crid's own helpers are. */
export interface HandlerOptions {
  /** `[crio.runtime.runtimes.<name>]`. */
  readonly runtimes: Readonly<Record<string, RuntimeHandlerConfig>>;
  /** `default_runtime`; `""` means crun. */
  readonly defaultRuntime: string;
  readonly cgroupManager: "systemd" | "cgroupfs";
  /** Path of `crid-native`. */
  readonly native: string;
  /** File that keeps what programs have answered, so that a restart need not ask; missing: asks. */
  readonly answers?: string;
  /** Path of crid's own monitor, for handlers that name none. */
  readonly monitor: string;
}

const DEFAULT_ROOT = "/run/crun";
const DEFAULT_MINIMUM_MEMORY = 12 * 1024 * 1024;
const DEFAULT_CREATE_TIMEOUT = 240;
const LEAST_CREATE_TIMEOUT = 30;

/**
 * Makes every configured runtime handler ready: finds its programs, asks them what they can. A
 * handler that cannot be used is left out with a warning, unless it is the default one.
 *
 * @throws {CridError} `failed_precondition` when the default handler is missing or cannot be used.
 */
export async function loadHandlers(
  options: HandlerOptions,
): Promise<ReadonlyMap<string, RuntimeHandler>> {
  const defaultName = options.defaultRuntime || "crun";
  if (options.runtimes[defaultName] === undefined) {
    throw new CridError(
      "failed_precondition",
      `default_runtime set to "${defaultName}", but no runtime entry table ` +
        `[crio.runtime.runtimes.${defaultName}] was found`,
    );
  }
  const handlers = new Map<string, RuntimeHandler>();
  const known = options.answers === undefined ? undefined : new KnownPrograms(options.answers);
  await Promise.all(
    Object.keys(options.runtimes).map(async (name) => {
      try {
        handlers.set(name, await loadHandler(name, options, defaultName, known));
      } catch (error) {
        if (name === defaultName) {
          throw wrapError(`default runtime handler "${name}"`, error, "failed_precondition");
        }
        log.warn(`Runtime handler "${name}" is being ignored due to: ${errorMessage(error)}`);
      }
    }),
  );
  await known?.save();
  for (const { name, version, minimumMemory } of handlers.values()) {
    log.info(`Using runtime handler ${version}`, { handler: name });
    log.debug(`Runtime handler "${name}" container minimum memory set to ${minimumMemory} bytes`);
  }
  return new Map([...handlers].sort(([a], [b]) => a < b ? -1 : 1));
}

async function loadHandler(
  name: string,
  options: HandlerOptions,
  defaultName: string,
  known: KnownPrograms | undefined,
): Promise<RuntimeHandler> {
  const table = inherited(options.runtimes[name]!, options.runtimes[defaultName]!);
  checkTable(table, options);
  // What is inherited has the default handler's name, by which its program is looked for.
  const programName = options.runtimes[name]!.inherit_default_runtime ? defaultName : name;
  const path = findRuntime(table.runtime_path, programName);
  const monitorPath = table.monitor_path || options.monitor;
  // The conditions do not matter: whether it can be read at all does.
  if (table.seccomp_profile !== "") {
    loadSeccompProfile(table.seccomp_profile, { capabilities: new Set() });
  }
  const asked = <T>(program: string, ask: () => Promise<T>) =>
    known === undefined ? ask() : known.answer(program, ask);
  const [{ version, features }] = await Promise.all([
    asked(path, () => probeRuntime(path)),
    table.monitor_path === "" ? undefined : asked(monitorPath, () => checkMonitor(monitorPath)),
  ]);
  return {
    name,
    path,
    platformPaths: table.platform_runtime_paths,
    root: table.runtime_root || DEFAULT_ROOT,
    monitorPath,
    monitorEnv: table.monitor_env,
    monitorCgroup: table.monitor_cgroup ||
      (options.cgroupManager === "systemd" ? "system.slice" : ""),
    version,
    features,
    minimumMemory: minimumMemory(name, table.container_min_memory),
    createTimeout: createTimeout(table.container_create_timeout),
    privilegedWithoutHostDevices: table.privileged_without_host_devices,
    allowedAnnotations: table.allowed_annotations,
    defaultAnnotations: table.default_annotations,
    seccompProfile: table.seccomp_profile,
    noSyncLog: table.no_sync_log,
    execCpuAffinity: table.exec_cpu_affinity,
    native: options.native,
    hideUnified: version.startsWith("crun") && isHybridHost(),
  };
}

function inherited(table: RuntimeHandlerConfig, from: RuntimeHandlerConfig): RuntimeHandlerConfig {
  if (!table.inherit_default_runtime) return table;
  const { runtime_path, runtime_type, runtime_config_path, runtime_root } = from;
  return { ...table, runtime_path, runtime_type, runtime_config_path, runtime_root };
}

function checkTable(table: RuntimeHandlerConfig, { cgroupManager }: HandlerOptions): void {
  const refuse = (why: string): never => {
    throw new CridError("invalid_argument", why);
  };
  if (table.runtime_type !== "oci") {
    refuse(`runtime_type "${table.runtime_type}" cannot be used; crid serves with oci`);
  }
  if (table.runtime_config_path !== "") {
    refuse("runtime_config_path can only be used with the vm runtime type");
  }
  const cgroup = table.monitor_cgroup;
  if (cgroup === "" || cgroup === "pod") return;
  if (cgroupManager === "cgroupfs") {
    refuse(`monitor_cgroup "${cgroup}": with cgroupfs it is "pod" or ""`);
  }
  if (!cgroup.endsWith(".slice")) refuse(`monitor_cgroup "${cgroup}": neither "pod" nor a slice`);
}

/**
 * Finds a runtime by its configured path, or in the search path.
 *
 * @throws {CridError} `not_found` naming the key that would set it.
 */
function findRuntime(configured: string, name: string): string {
  if (configured !== "") {
    checkFile(configured, "runtime_path");
    return configured;
  }
  for (const directory of (Deno.env.get("PATH") ?? DEFAULT_PATH).split(":")) {
    const path = join(directory, name);
    if (directory.startsWith("/") && kernelFileExists(path)) return path;
  }
  throw new CridError("not_found", `"${name}" is not in $PATH; install it or set runtime_path`);
}

function checkFile(path: string, key: string): void {
  if (kernelFileExists(path)) return;
  throw new CridError("not_found", `invalid ${key} "${path}": no such file or directory`);
}

/** Another monitor must answer; what crid asks of it every conmon that is around can do. */
async function checkMonitor(path: string): Promise<string> {
  checkFile(path, "monitor_path");
  const { code, stdout } = await run(path, ["--version"], { timeoutMs: 10_000 });
  const version = /conmon version (\d+)\.(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout));
  if (code === 0 && version !== null && Number(version[1]) >= 2) return version[0];
  throw new CridError(
    "failed_precondition",
    `monitor ${path}: --version does not name conmon version 2 or newer`,
  );
}

function minimumMemory(name: string, text: string): number {
  if (text === "") return DEFAULT_MINIMUM_MEMORY;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?$/i.exec(text.trim());
  if (match === null) {
    log.error(`Runtime handler "${name}": container_min_memory "${text}" is no size, using 12MiB`);
    return DEFAULT_MINIMUM_MEMORY;
  }
  const power = " kmgt".indexOf((match[2] || " ").toLowerCase());
  return Math.round(Number(match[1]) * 1024 ** power);
}

function createTimeout(seconds: number): number {
  return seconds === 0 ? DEFAULT_CREATE_TIMEOUT : Math.max(seconds, LEAST_CREATE_TIMEOUT);
}
