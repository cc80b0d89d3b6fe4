import { join } from "@std/path";
import type { Container } from "./container.ts";
import type { PodContext } from "./context.ts";
import { readSavedFile } from "./files.ts";
import type { Sandbox } from "./sandbox.ts";
import { specSelinux } from "./selinux.ts";
import type { StringMap } from "./types.ts";

/** The `info` of a verbose sandbox status, as CRI-O words it. */
export function sandboxInfo(context: PodContext, sandbox: Sandbox): StringMap {
  return {
    info: JSON.stringify({
      ...(sandbox.infra === undefined ? {} : { pid: sandbox.infra.pid }),
      runtimeSpec: infraSpec(context, sandbox) ?? specWithoutProcess(context, sandbox),
    }),
  };
}

/** That of the pod's own process, if it has one. */
function infraSpec({ store }: PodContext, { parts }: Sandbox): unknown {
  if (!parts.hasInfra) return undefined;
  const text = readSavedFile(join(store.containerDir(parts.id), "config.json"));
  return text === undefined ? undefined : JSON.parse(text);
}

/** What a spec would say of the pod. */
function specWithoutProcess(context: PodContext, { parts }: Sandbox): unknown {
  const { config } = parts;
  const { process = "", mount = "" } =
    specSelinux(context, parts.labels, config.security, config.annotations) ?? {};
  return {
    hostname: parts.hostname,
    ...(process === "" ? {} : { process: { selinuxLabel: process } }),
    linux: {
      ...(mount === "" ? {} : { mountLabel: mount }),
      cgroupsPath: parts.cgroupParent,
      namespaces: Object.entries(parts.namespaces).map(([type, path]) => ({ type, path })),
    },
    annotations: config.annotations,
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
