import { isBytes, USUAL_MINIMUM } from "./bytes.ts";
import { type Message, warning } from "./message.ts";
import { type Config, defaultsOf, ENTRIES, type RuntimeHandlerConfig, tomlPath } from "./table.ts";
import { valueAt } from "./assignment.ts";
import { RUNTIME } from "./table/runtime.ts";
import { equal } from "./equal.ts";

/** A container gets this long to stop at least. */
const LEAST_STOP_TIMEOUT = 30;
const LEAST_CREATE_TIMEOUT = 30;

/**
 * Turns what was written into what is meant: empty values that stand for something else, deprecated
 * keys that set others, and values below their least.
 */
export function resolve(
  config: Config,
  defaults: Config,
): { readonly config: Config; readonly messages: readonly Message[] } {
  const messages = [...deprecations(config, defaults), ...corrections(config)];
  return {
    config: {
      ...config,
      crio: resolveStorage(config.crio, defaults.crio),
      api: resolveApi(config.api),
      runtime: resolveRuntime(config.runtime),
      network: resolveNetwork(config.network),
      checkpoint_restore: config.runtime.enable_criu_support
        ? config.checkpoint_restore
        : { ...config.checkpoint_restore, container_level_enabled: "none" },
    },
    messages,
  };
}

function deprecations(config: Config, defaults: Config): Message[] {
  return ENTRIES.flatMap(({ path, key, setting }) =>
    setting.deprecated === undefined || equal(valueAt(config, path), valueAt(defaults, path))
      ? []
      : [warning(`${key} is deprecated: ${setting.deprecated}`, { key: tomlPath(path) })]
  );
}

function corrections({ api, runtime }: Config): Message[] {
  const messages: Message[] = [];
  if (runtime.ctr_stop_timeout < LEAST_STOP_TIMEOUT) {
    messages.push(
      warning(
        `Forcing ctr_stop_timeout to lowest possible value of ${LEAST_STOP_TIMEOUT}s`,
        { ctr_stop_timeout: runtime.ctr_stop_timeout },
      ),
    );
  }
  for (const [name, { container_min_memory: size }] of Object.entries(runtime.runtimes)) {
    if (size === "" || isBytes(size)) continue;
    messages.push(
      warning(
        `runtime handler ${JSON.stringify(name)}: container_min_memory ${JSON.stringify(size)} ` +
          `is no size; it is ${USUAL_MINIMUM}`,
      ),
    );
  }
  if (api.tls_min_version === "VersionTLS13" && api.tls_cipher_suites.length > 0) {
    messages.push(warning("Ignoring tls_cipher_suites: TLS 1.3 has a fixed list"));
  }
  return messages;
}

function resolveStorage(crio: Config["crio"], defaults: Config["crio"]): Config["crio"] {
  return {
    ...crio,
    root: crio.root || defaults.root,
    runroot: crio.runroot || defaults.runroot,
    storage_driver: crio.storage_driver || defaults.storage_driver,
  };
}

const LARGEST_MESSAGE = 80 * 1024 * 1024;

function resolveApi(api: Config["api"]): Config["api"] {
  const size = (bytes: number) => bytes <= 0 ? LARGEST_MESSAGE : bytes;
  return {
    ...api,
    tls_min_version: api.tls_min_version || "VersionTLS12",
    grpc_max_send_msg_size: size(api.grpc_max_send_msg_size),
    grpc_max_recv_msg_size: size(api.grpc_max_recv_msg_size),
  };
}

function resolveNetwork(network: Config["network"]): Config["network"] {
  const { plugin_dir, plugin_dirs } = network;
  if (plugin_dir === "" || plugin_dirs.includes(plugin_dir)) return network;
  return { ...network, plugin_dirs: [...plugin_dirs, plugin_dir] };
}

function resolveRuntime(runtime: Config["runtime"]): Config["runtime"] {
  const builtIn = defaultsOf({ runtimes: RUNTIME.runtimes }).runtimes;
  const runtimes = runtime.default_runtime === ""
    ? { ...builtIn, ...runtime.runtimes }
    : runtime.runtimes;
  const default_runtime = runtime.default_runtime || "crun";
  const base = Object.hasOwn(runtimes, default_runtime) ? runtimes[default_runtime] : undefined;
  const handlers = Object.entries(runtimes).map(([name, handler]) => {
    const inherits = handler.inherit_default_runtime && base !== undefined && handler !== base;
    const whole = inherits ? inherit(handler, base, default_runtime) : handler;
    return [name, resolveHandler(whole, runtime)] as const;
  });
  return {
    ...runtime,
    default_runtime,
    ctr_stop_timeout: Math.max(runtime.ctr_stop_timeout, LEAST_STOP_TIMEOUT),
    runtimes: Object.fromEntries(handlers),
  };
}

function inherit(
  handler: RuntimeHandlerConfig,
  base: RuntimeHandlerConfig,
  name: string,
): RuntimeHandlerConfig {
  return {
    ...handler,
    // An empty path means a program of the handler's name, which is the default runtime's here.
    runtime_path: base.runtime_path || name,
    runtime_type: base.runtime_type,
    runtime_config_path: base.runtime_config_path,
    runtime_root: base.runtime_root,
  };
}

function resolveHandler(
  handler: RuntimeHandlerConfig,
  { conmon, conmon_cgroup, conmon_env }: Config["runtime"],
): RuntimeHandlerConfig {
  const seconds = handler.container_create_timeout;
  const type = handler.runtime_type || "oci";
  const monitored = type === "oci" ? { conmon, conmon_cgroup, conmon_env } : undefined;
  const { container_create_timeout, runtime_root } = defaultsOf(RUNTIME.runtimes.of);
  return {
    ...handler,
    runtime_type: type,
    runtime_root: handler.runtime_root || runtime_root,
    container_create_timeout: seconds === 0
      ? container_create_timeout
      : Math.max(seconds, LEAST_CREATE_TIMEOUT),
    monitor_path: monitored?.conmon || handler.monitor_path,
    monitor_cgroup: monitored?.conmon_cgroup || handler.monitor_cgroup,
    monitor_env: monitored?.conmon_env.length ? monitored.conmon_env : handler.monitor_env,
  };
}
