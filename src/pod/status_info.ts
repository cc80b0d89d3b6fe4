import type { Container } from "./container.ts";
import type { PodContext } from "./context.ts";
import type { Sandbox } from "./sandbox.ts";
import { specSelinux } from "./selinux.ts";
import type { StringMap } from "./types.ts";

/** The `info` of a verbose sandbox status, as CRI-O words it. */
export function sandboxInfo(context: PodContext, sandbox: Sandbox): StringMap {
  const { parts } = sandbox;
  const { config } = parts;
  const { process = "", mount = "" } =
    specSelinux(context, parts.labels, config.security, config.annotations) ?? {};
  return {
    info: JSON.stringify({
      ...(sandbox.infra === undefined ? {} : { pid: sandbox.infra.pid }),
      runtimeSpec: {
        hostname: parts.hostname,
        ...(process === "" ? {} : { process: { selinuxLabel: process } }),
        linux: {
          ...(mount === "" ? {} : { mountLabel: mount }),
          cgroupsPath: parts.cgroupParent,
          namespaces: Object.entries(parts.namespaces).map(([type, path]) => ({ type, path })),
        },
        annotations: config.annotations,
      },
    }),
  };
}

/** The `info` of a verbose container status, as CRI-O words it. */
export function containerInfo(container: Container): StringMap {
  return {
    info: JSON.stringify({
      sandboxID: container.parts.sandbox.id,
      pid: container.exit === undefined ? container.init?.pid ?? 0 : 0,
      runtimeSpec: container.spec,
      privileged: container.parts.privileged,
    }),
  };
}
