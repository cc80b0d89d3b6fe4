import { minimumMemory, type RuntimeHandlerConfig } from "../config/mod.ts";
import { CridError, errorMessage, wrapError } from "../failure/mod.ts";
import { run } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";
import { loadSeccompProfile } from "../security/mod.ts";
import { probeRuntime } from "./features.ts";
import { isHybridHost } from "./hybrid.ts";
import { KnownPrograms } from "./known_programs.ts";
import type { RuntimeHandler } from "./types.ts";

/** What handlers are made from: the configuration, and where crid's own helpers are. */
export interface HandlerOptions {
  /** `[crio.runtime.runtimes.<name>]`, as checked for this host: with absolute paths. */
  readonly runtimes: Readonly<Record<string, RuntimeHandlerConfig>>;
  /** `default_runtime`, one of them. */
  readonly defaultRuntime: string;
  readonly cgroupManager: "systemd" | "cgroupfs";
  /** Path of `crid-native`. */
  readonly native: string;
  /** File that keeps what programs have answered, so that a restart need not ask; missing: asks. */
  readonly answers?: string;
  /** Path of crid's own monitor, for handlers that name none. */
  readonly monitor: string;
}

/**
 * Makes every configured runtime handler ready: asks its programs what they can. A handler
 * that cannot be used is left out with a warning, unless it is the default one.
 *
 * @throws {CridError} `failed_precondition` when the default handler cannot be used.
 */
export async function loadHandlers(
  options: HandlerOptions,
): Promise<ReadonlyMap<string, RuntimeHandler>> {
  const handlers = new Map<string, RuntimeHandler>();
  const known = options.answers === undefined ? undefined : new KnownPrograms(options.answers);
  await Promise.all(
    Object.entries(options.runtimes).map(async ([name, table]) => {
      try {
        handlers.set(name, await loadHandler(name, table, options, known));
      } catch (error) {
        if (name === options.defaultRuntime) {
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
  table: RuntimeHandlerConfig,
  options: HandlerOptions,
  known: KnownPrograms | undefined,
): Promise<RuntimeHandler> {
  const path = table.runtime_path;
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
    root: table.runtime_root,
    monitorPath,
    monitorEnv: table.monitor_env,
    monitorCgroup: table.monitor_cgroup ||
      (options.cgroupManager === "systemd" ? "system.slice" : ""),
    version,
    features,
    minimumMemory: minimumMemory(table),
    createTimeout: table.container_create_timeout,
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

/** Another monitor must answer; what crid asks of it every conmon that is around can do. */
async function checkMonitor(path: string): Promise<string> {
  const { code, stdout } = await run(path, ["--version"], { timeoutMs: 10_000 });
  const version = /conmon version (\d+)\.(\d+)\.(\d+)/.exec(new TextDecoder().decode(stdout));
  if (code === 0 && version !== null && Number(version[1]) >= 2) return version[0];
  throw new CridError(
    "failed_precondition",
    `monitor ${path}: --version does not name conmon version 2 or newer`,
  );
}
