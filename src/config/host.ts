import { basename, isAbsolute, join } from "@std/path";
import { CridError, errorMessage, wrapError } from "../failure/mod.ts";
import { info, type Message, warning } from "./message.ts";
import { type Config, isScalar, type RuntimeHandlerConfig } from "./table.ts";
import { RUNTIME_HANDLER } from "./table/runtime_handler.ts";
import { valueProblem } from "./validate.ts";

/** A configuration that this host can serve with. */
export interface HostConfig {
  /** Programs are absolute paths, and handlers that cannot work are gone. */
  readonly config: Config;
  readonly messages: readonly Message[];
}

/**
 * Checks what only the host can tell, as the last step before serving and before a reload.
 *
 * @param searchPath Where programs without a path are looked for, as in `$PATH`.
 * @throws {CridError} `unimplemented` for a driver that is not built yet, `invalid_argument` for a
 * default runtime that cannot work.
 */
export async function checkHost(config: Config, searchPath: string): Promise<HostConfig> {
  refuseUnbuiltDrivers(config);
  const messages: Message[] = [];
  const runtimes: Record<string, RuntimeHandlerConfig> = {};
  for (const [name, handler] of Object.entries(config.runtime.runtimes)) {
    try {
      runtimes[name] = await checkHandler(name, handler, config, searchPath);
      messages.push(info(`Using runtime handler ${name}: ${runtimes[name].runtime_path}`));
    } catch (error) {
      if (name === config.runtime.default_runtime) {
        throw wrapError(`default runtime ${JSON.stringify(name)}`, error, "invalid_argument");
      }
      const quoted = JSON.stringify(name);
      messages.push(
        warning(`Runtime handler ${quoted} is being ignored due to: ${errorMessage(error)}`),
      );
    }
  }
  return { config: { ...config, runtime: { ...config.runtime, runtimes } }, messages };
}

function refuseUnbuiltDrivers({ crio }: Config): void {
  if (!["overlay", "overlay2", "btrfs", "vfs"].includes(crio.storage_driver)) {
    throw new CridError(
      "unimplemented",
      `storage_driver = ${JSON.stringify(crio.storage_driver)} is not built in this release: set ` +
        'storage_driver = "overlay" in [crio] or pass --storage-driver=overlay',
    );
  }
}

async function checkHandler(
  name: string,
  handler: RuntimeHandlerConfig,
  { runtime }: Config,
  searchPath: string,
): Promise<RuntimeHandlerConfig> {
  for (const [key, setting] of Object.entries(RUNTIME_HANDLER)) {
    if (!isScalar(setting)) continue;
    const problem = valueProblem(key, setting, handler[key as keyof RuntimeHandlerConfig]);
    if (problem !== undefined) throw new CridError("invalid_argument", problem);
  }
  if (handler.runtime_type !== "oci") {
    throw new CridError(
      "unimplemented",
      `runtime_type = ${JSON.stringify(handler.runtime_type)} is not built in this release`,
    );
  }
  if (handler.runtime_config_path !== "") {
    throw invalid('runtime_config_path can only be used with runtime_type = "vm"');
  }
  const { monitor_cgroup } = handler;
  const slices = runtime.cgroup_manager === "systemd";
  if (!["", "pod"].includes(monitor_cgroup) && !(slices && monitor_cgroup.endsWith(".slice"))) {
    throw invalid(
      `monitor_cgroup ${JSON.stringify(monitor_cgroup)}: with cgroup_manager = ` +
        `"${runtime.cgroup_manager}" it must be "pod"${slices ? ", a slice" : ""} or empty`,
    );
  }
  return {
    ...handler,
    runtime_path: await program("runtime_path", handler.runtime_path || name, searchPath),
    monitor_path: await monitor(handler.monitor_path, searchPath),
  };
}

/** `""` stays: it means crid's own monitor, which is not looked for on the host. */
async function monitor(path: string, searchPath: string): Promise<string> {
  if (path === "") return "";
  try {
    return await program("monitor_path", path, searchPath);
  } catch (error) {
    throw invalid(
      `${errorMessage(error)}; install it, or leave monitor_path and conmon out of the ` +
        "configuration to have crid's own monitor",
    );
  }
}

/** The absolute path of an executable, found in the search path when it has no slash. */
async function program(key: string, path: string, searchPath: string): Promise<string> {
  const named = path.includes("/");
  if (named && !isAbsolute(path)) throw invalid(`${key} ${path} is not an absolute path`);
  const directories = searchPath.split(":").filter(isAbsolute);
  const candidates = named ? [path] : directories.map((directory) => join(directory, path));
  for (const candidate of candidates) {
    if (await isExecutable(candidate)) return candidate;
  }
  throw invalid(
    named
      ? `${key} ${path} is not an executable file`
      : `${key}: no executable ${basename(path)} in $PATH (${searchPath})`,
  );
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    const { isFile, mode } = await Deno.stat(path);
    return isFile && ((mode ?? 0) & 0o111) !== 0;
  } catch {
    return false;
  }
}

function invalid(problem: string): CridError {
  return new CridError("invalid_argument", problem);
}
