import { join } from "@std/path";
import { CridError, together, type Unwind } from "../failure/mod.ts";
import type { RuntimeHandler, SpecSelinux } from "../oci/mod.ts";
import { log } from "../observe/mod.ts";
import { handlerNamed, type PodContext, unwindOf } from "./context.ts";
import { removeIfAny, writeFileAtomic } from "./files.ts";
import { startInfra, stopInfra } from "./infra.ts";
import { mountLogs, unmountLogs } from "./log_links.ts";
import { namespaceFile, newId, sandboxName } from "./names.ts";
import { namespacePaths, pinNamespaces, unpinNamespaces } from "./namespaces.ts";
import { networkPod } from "./pod_network.ts";
import { Sandbox, type SandboxParts } from "./sandbox.ts";
import { mountShm, unmountShm, writeResolvConf } from "./sandbox_files.ts";
import { PLAN, spoofedSpec } from "./sandbox_record.ts";
import { createStorage, gatedConfig } from "./sandbox_storage.ts";
import { podSysctls } from "./sandbox_sysctls.ts";
import { labelPodFiles, specSelinux } from "./selinux.ts";
import { step } from "./step.ts";
import { now } from "./time.ts";
import type { SandboxConfig } from "./types.ts";

/**
 * Makes a pod sandbox: its record, and then side by side its cgroup, files, shared memory and
 * namespaces with the network in them; at last the infra process if a PID namespace is shared.
 *
 * @throws {CridError} Saying which step failed. All earlier ones are undone.
 */
export async function makeSandbox(
  context: PodContext,
  asked: SandboxConfig,
  handlerName: string,
): Promise<Sandbox> {
  const handler = handlerNamed(context, handlerName);
  const name = sandboxName(asked.metadata);
  if (asked.security.namespaces.network !== "node") await waitForNetwork(context, name);

  await checkMemory(context, asked.cgroupParent, handler);
  const { store, cgroups } = context;
  const id = newId();
  const createdAt = now();
  await using unwind = unwindOf(context, name);

  const gated = gatedConfig(context, handler, asked);
  const { config, labels } = await step(
    "sandbox storage creation",
    () => createStorage(context, id, gated, createdAt),
  );
  unwind.add("storage", () => context.leftovers.last(name, () => store.deleteContainer(id)));

  const planned: SandboxParts = {
    ...plan(context, id, config, createdAt),
    runtimeHandler: handlerName,
    handler: handler.name,
    labels,
  };
  const selinux = specSelinux(context, labels, config.security, config.annotations);
  const planFile = join(store.containerDir(id), PLAN);
  const spec = JSON.stringify(spoofedSpec(planned, selinux));
  // Before anything else is made: a crash must not leave what nobody can find again.
  await step("sandbox spec configuration", () => writeFileAtomic(planFile, spec));
  const sandbox = new Sandbox(planned);
  await together(
    step("sandbox cgroup creation", async () => {
      unwind.add("cgroup", () => cgroups.removeSandbox(planned.cgroupParent, id));
      await cgroups.createSandbox(planned.cgroupParent, id);
    }),
    step("sandbox log directory", () => makeLogDirectory(planned, context, unwind)),
    step("sandbox files", () => writeFiles(context, planned, selinux)),
    step("sandbox shm creation", async () => {
      if (config.security.namespaces.ipc === "node") return;
      unwind.add("shm", () => unmountShm(planned.shmPath));
      await mountShm(planned.shmPath, config, selinux?.mount ?? "");
    }),
    joinNetwork(context, sandbox, unwind),
  );
  if (planned.hasInfra) {
    await step("sandbox container runtime creation", async () => {
      unwind.add("infra container", () => stopInfra(context, sandbox));
      await startInfra(context, sandbox, handler);
    });
  }
  unwind.add("log links", () => unmountLogs(planned));
  mountLogs(planned);
  if (planned.hasInfra) await Deno.remove(planFile);
  else await Deno.rename(planFile, join(store.containerDir(id), "config.json"));
  unwind.keep();
  log.info(`Ran pod sandbox ${id} with infra container: ${name}`, { id });
  return sandbox;
}

/** Everything about the sandbox that follows from its id and configuration. */
function plan(
  context: PodContext,
  id: string,
  config: SandboxConfig,
  createdAt: bigint,
): Omit<SandboxParts, "runtimeHandler" | "handler" | "labels"> {
  const { namespaces } = config.security;
  const { namespacesDir, logDir } = context.options;
  const runDir = context.store.containerRunDir(id);
  const hostname = config.hostname ||
    (namespaces.network === "node" ? Deno.hostname() : id.slice(0, 12));
  return {
    id,
    config,
    createdAt,
    hostname,
    logDirectory: config.logDirectory || join(logDir, id),
    cgroupParent: context.cgroups.parent(config.cgroupParent),
    namespaces: namespacePaths(namespacesDir, namespaceFile(id), namespaces),
    resolvPath: join(runDir, "resolv.conf"),
    hostnamePath: join(runDir, "hostname"),
    shmPath: namespaces.ipc === "node" ? "/dev/shm" : join(runDir, "shm"),
    hasInfra: namespaces.pid === "pod" || !context.options.dropInfra,
  };
}

/**
 * The kubelet has made the pod's cgroup with its limit; no container could start below it.
 *
 * @throws {CridError} `invalid_argument` with CRI-O's words.
 */
async function checkMemory(
  { cgroups }: PodContext,
  parent: string,
  { minimumMemory }: RuntimeHandler,
): Promise<void> {
  if (parent === "") return;
  const limit = (await cgroups.stats(cgroups.podPath(cgroups.parent(parent))))?.memory.limit ?? 0;
  if (limit === 0 || limit >= minimumMemory) return;
  throw new CridError(
    "invalid_argument",
    `pod set memory limit ${limit} too low; should be at least ${minimumMemory} bytes`,
  );
}

/** Blocks until CNI is configured: the kubelet starts pods before the network plugin has come up. */
async function waitForNetwork(context: PodContext, name: string): Promise<void> {
  if ((await context.network.status()).ready) return;
  log.info(`CNI plugin not ready. Waiting to create ${name}`);
  await context.network.ready(context.closing);
}

async function joinNetwork(context: PodContext, sandbox: Sandbox, unwind: Unwind): Promise<void> {
  const { options, network, leftovers } = context;
  const { config, id } = sandbox.parts;
  const file = namespaceFile(id);
  const name = sandboxName(config.metadata);
  await step("sandbox namespace creation", async () => {
    // Plugins learn from the namespace what they have done outside of it.
    unwind.add("namespaces", () =>
      leftovers.after(
        name,
        "network",
        () => unpinNamespaces(options.namespacesDir, file),
      ));
    await pinNamespaces({
      pinnsPath: options.pinnsPath,
      directory: options.namespacesDir,
      file,
      options: config.security.namespaces,
      sysctls: podSysctls(options.defaultSysctls, config.sysctls, config.security.namespaces),
    });
  });
  if (sandbox.hostNetwork) return;
  await step("sandbox network creation", async () => {
    const pod = networkPod(sandbox.parts);
    unwind.add("network", () => network.tearDown(pod));
    sandbox.ips = (await network.setUp(pod)).ips;
  });
}

async function makeLogDirectory(
  parts: SandboxParts,
  context: PodContext,
  unwind: Unwind,
): Promise<void> {
  const own = parts.logDirectory === join(context.options.logDir, parts.id);
  if (own) unwind.add("log directory", () => removeLogDirectory(context, parts));
  await Deno.mkdir(parts.logDirectory, { recursive: true, mode: 0o700 });
}

/** Removes the log directory that was made because the client named none. */
export async function removeLogDirectory(context: PodContext, parts: SandboxParts): Promise<void> {
  if (parts.logDirectory !== join(context.options.logDir, parts.id)) return;
  await removeIfAny(parts.logDirectory);
}

async function writeFiles(
  context: PodContext,
  parts: SandboxParts,
  selinux: SpecSelinux | undefined,
): Promise<void> {
  const runDir = context.store.containerRunDir(parts.id);
  await Deno.mkdir(runDir, { recursive: true, mode: 0o700 });
  const containerEnv = join(runDir, ".containerenv");
  await together(
    writeResolvConf(parts.resolvPath, parts.config.dns),
    Deno.writeTextFile(parts.hostnamePath, parts.hostname + "\n", { mode: 0o644 }),
    Deno.writeTextFile(containerEnv, "", { mode: 0o644 }),
  );
  const files = [parts.resolvPath, parts.hostnamePath, containerEnv];
  await labelPodFiles(selinux, files);
  const { uids, gids } = parts.config.security.namespaces.user.maps;
  const [uid, gid] = [uids[0]?.hostId, gids[0]?.hostId];
  if (uid === undefined || gid === undefined) return;
  // The pod's root may change them.
  for (const path of files) await Deno.chown(path, uid, gid);
}
