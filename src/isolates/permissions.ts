/**
 * The walls: what each isolate may do, computed from the configuration.
 *
 * @module
 */
import { SYSTEMD_SOCKETS } from "../cgroup/mod.ts";
import type { Config } from "../config/mod.ts";
import { registryOptions, registryReadPaths } from "../image/mod.ts";

/** An isolate below the supervisor, which holds all permissions and hands some of them out. */
export type IsolateName = "cri" | "pull" | "unpack";

/** Proxies are the only part of the environment that whoever talks to registries needs. */
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"]
  .flatMap((name) => [name, name.toLowerCase()]);

/**
 * The permissions of one isolate.
 *
 * @param archives Files and directories that `pull` is to read images from.
 */
export function permissionsOf(
  name: IsolateName,
  config: Config,
  archives: readonly string[] = [],
): Deno.PermissionOptionsObject {
  switch (name) {
    case "cri":
      return criPermissions(config);
    case "pull":
      return pullPermissions(config, archives);
    case "unpack":
      return unpackPermissions(config);
  }
}

/**
 * `cri` drives runtimes, plugins and mounts. The kubelet may name any path of the host as a mount
 * source or log directory, so files cannot be fenced; the network can: it reaches nothing but its
 * own sockets, and systemd's where that makes the cgroups.
 */
function criPermissions(config: Config): Deno.PermissionOptionsObject {
  const { listen, stream_address, stream_port } = config.api;
  const systemd = config.runtime.cgroup_manager === "systemd" ? SYSTEMD_SOCKETS : [];
  return {
    net: [
      ...[listen, ...systemd].map((path) => `unix:${path}`),
      hostAndPort(stream_address, stream_port),
    ],
    run: true,
    ffi: true,
    read: true,
    write: true,
    env: true,
    sys: true,
    import: false,
  };
}

/** `pull` parses what registries send. It can start nothing, call no native code and write nothing. */
function pullPermissions(
  config: Config,
  archives: readonly string[],
): Deno.PermissionOptionsObject {
  return {
    net: true,
    run: false,
    ffi: false,
    read: [...registryReadPaths(registryOptions(config, "")), ...archives],
    write: false,
    env: PROXY_VARIABLES,
    sys: false,
    import: false,
  };
}

/** `unpack` parses layers. It reaches the store and nothing else; FFI is for mknod and xattrs. */
function unpackPermissions(config: Config): Deno.PermissionOptionsObject {
  const roots = [config.crio.root, config.crio.imagestore].filter((path) => path !== "");
  return {
    net: false,
    run: false,
    ffi: true,
    read: roots,
    write: roots,
    env: false,
    sys: false,
    import: false,
  };
}

/** An empty address means every address of the host. */
function hostAndPort(address: string, port: string): string {
  const host = address === "" ? "0.0.0.0" : address;
  const bracketed = host.includes(":") ? `[${host}]` : host;
  return port === "0" || port === "" ? bracketed : `${bracketed}:${port}`;
}
