import { cp, mkdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "@std/path";
import { detectLayout } from "../../../src/cgroup/mod.ts";
import {
  buildSpec,
  createContainer,
  type CreatedContainer,
  deleteContainer,
  loadHandlers,
  NO_IMAGE_CONFIG,
  type OciSpec,
  type RuntimeHandler,
  type SecurityContext,
  type SpecDefaults,
  type SpecInput,
} from "../../../src/oci/mod.ts";
import { removeKernelDirectory, run } from "../../../src/linux/mod.ts";
import { buildNative, HELPERS, MONITOR } from "../../../scripts/build/native.ts";

/** A place with a busybox root file system, runtimes with roots of their own, and their containers. */
export interface Place extends AsyncDisposable {
  readonly directory: string;
  readonly handlers: ReadonlyMap<string, RuntimeHandler>;
  readonly exitsDir: string;
  /** Parent of all containers' cgroups. */
  readonly cgroupParent: string;
  handler(name: string): RuntimeHandler;
  /** Builds the spec and creates the container; `run` goes to `sh -c`. */
  create(options: ContainerOptions): Promise<Made>;
}

export interface ContainerOptions {
  readonly handler: RuntimeHandler;
  /** Script for `sh -c`. */
  readonly run: string;
  readonly input?: Partial<SpecInput>;
  readonly defaults?: Partial<SpecDefaults>;
  readonly request?: Partial<Parameters<typeof createContainer>[0]>;
  /** Changes the spec before it is written. */
  edit?(spec: OciSpec): void;
}

export interface Made extends CreatedContainer {
  readonly id: string;
  readonly spec: OciSpec;
  readonly bundle: string;
  readonly persistDir: string;
  readonly logPath: string;
}

export const NO_SECURITY: SecurityContext = {
  privileged: false,
  namespaces: {
    network: "pod",
    pid: "container",
    ipc: "pod",
    targetId: "",
    user: { mode: "node", maps: { uids: [], gids: [] } },
  },
  addCapabilities: [],
  dropCapabilities: [],
  runAsUser: undefined,
  runAsUsername: "",
  runAsGroup: undefined,
  supplementalGroups: [],
  supplementalGroupsPolicy: "merge",
  readonlyRootfs: false,
  noNewPrivs: false,
  maskedPaths: [],
  readonlyPaths: [],
  seccomp: undefined,
  apparmor: undefined,
  selinux: undefined,
};

export const DEFAULTS: SpecDefaults = {
  cgroup: { version: 1, driver: "cgroupfs", controllers: new Set(["memory", "pids", "cpu"]) },
  tuning: {
    affinity: "/none",
    balancer: "/none",
    cpus: "/none",
    saved: "/none",
    programs: { systemctl: "/none", irqbalance: "/none" },
  },
  defaultCapabilities: [
    ...["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "SETGID", "SETUID", "SETPCAP"],
    ...["NET_BIND_SERVICE", "KILL"],
  ],
  addInheritableCapabilities: false,
  defaultEnv: [],
  defaultUlimits: [],
  pidsLimit: -1,
  readOnly: false,
  additionalDevices: [],
  deviceOwnershipFromSecurityContext: false,
  allowedDevices: [],
  cdiSpecDirs: [],
  hooksDirs: [],
  defaultMountsFile: "/none",
  timezone: "",
  minInjectedGomaxprocs: 0,
  seccompProfile: "",
  privilegedSeccompProfile: "",
  apparmorProfile: "crio-default",
  sharedCpuset: "",
  bindMountPrefix: "",
  absentMountSourcesToReject: [],
  imageVolumes: "mkdir",
  storageRoot: "/var/lib/containers/storage",
};

export function specInput(directory: string, input: Partial<SpecInput> = {}): SpecInput {
  return {
    id: "test",
    rootfs: join(directory, "rootfs"),
    hostname: "testhost",
    command: ["true"],
    args: [],
    env: [],
    workingDir: "",
    tty: false,
    stdin: false,
    image: NO_IMAGE_CONFIG,
    mounts: [],
    internalMounts: [],
    devices: [],
    security: NO_SECURITY,
    resources: undefined,
    cgroupsPath: "",
    namespaces: [{ type: "network" }, { type: "ipc" }, { type: "uts" }],
    sysctls: {},
    annotations: {},
    idMaps: undefined,
    runDir: directory,
    ...input,
  };
}

function handlerConfig(path: string, root: string) {
  return {
    runtime_path: path,
    runtime_type: "oci" as const,
    runtime_root: root,
    runtime_config_path: "",
    inherit_default_runtime: false,
    privileged_without_host_devices: false,
    allowed_annotations: [],
    default_annotations: {},
    monitor_path: "",
    monitor_cgroup: "",
    monitor_env: [],
    monitor_exec_cgroup: "" as const,
    platform_runtime_paths: {},
    container_min_memory: "500KiB",
    container_create_timeout: 240,
    no_sync_log: false,
    seccomp_profile: "",
    exec_cpu_affinity: "" as const,
    runtime_pull_image: false,
    stream_websockets: false,
  };
}

/** Makes a {@linkcode Place} below a temporary directory; disposing it leaves nothing. */
export async function makePlace(): Promise<Place> {
  const directory = await Deno.makeTempDir({ prefix: "crid-oci-" });
  const native = await buildNative(HELPERS);
  await makeRootfs(join(directory, "rootfs"));
  const exitsDir = join(directory, "exits");
  const attachDir = join(directory, "attach");
  for (const each of [exitsDir, attachDir]) await mkdir(each);
  const handlers = await loadHandlers({
    runtimes: {
      runc: handlerConfig("/usr/sbin/runc", join(directory, "runc")),
      crun: handlerConfig("/usr/bin/crun", join(directory, "crun")),
    },
    defaultRuntime: "runc",
    cgroupManager: "cgroupfs",
    native,
    monitor: await buildNative(MONITOR),
  });
  const cgroupParent = `/crid-oci-${crypto.randomUUID().slice(0, 8)}`;
  const made: Made[] = [];
  const cleanups: [RuntimeHandler, string][] = [];
  let count = 0;
  return {
    directory,
    handlers,
    exitsDir,
    cgroupParent,
    handler: (name) => handlers.get(name)!,
    async create({ handler, run, input = {}, defaults = {}, request = {}, edit }) {
      const id = `t${++count}${crypto.randomUUID().slice(0, 8)}`;
      const bundle = join(directory, "bundles", id);
      const persistDir = join(directory, "persist", id);
      for (const each of [bundle, persistDir]) await mkdir(each, { recursive: true });
      const { spec } = await buildSpec(
        specInput(directory, {
          id,
          command: ["sh", "-c", run],
          cgroupsPath: `${cgroupParent}/${id}`,
          runDir: bundle,
          ...input,
        }),
        { ...DEFAULTS, ...defaults },
        handler,
      );
      edit?.(spec);
      await writeFile(join(bundle, "config.json"), JSON.stringify(spec));
      cleanups.push([handler, id]);
      const logPath = join(directory, `${id}.log`);
      const created = await createContainer({
        id,
        name: id,
        handler,
        bundle,
        persistDir,
        exitsDir,
        attachDir,
        logPath,
        tty: false,
        stdin: false,
        stdinOnce: false,
        logSizeMax: -1,
        noPivot: false,
        systemdCgroup: false,
        ...request,
      });
      const one = { ...created, id, spec, bundle, persistDir, logPath };
      made.push(one);
      return one;
    },
    async [Symbol.asyncDispose]() {
      for (const [handler, id] of cleanups) await deleteContainer(handler, id);
      await Promise.all(made.map((each) => each.closed));
      removeCgroup(cgroupParent);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Busybox with what it links to, and the files of a small distribution. */
async function makeRootfs(root: string): Promise<void> {
  for (const each of ["bin", "etc", "proc", "sys", "dev", "tmp", "run"]) {
    await mkdir(join(root, each), { recursive: true });
  }
  await cp("/bin/busybox", join(root, "bin/busybox"));
  const { stdout } = await run("ldd", ["/bin/busybox"]);
  for (const [library] of new TextDecoder().decode(stdout).matchAll(/\/\S+/g)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await Deno.copyFile(library, join(root, library));
  }
  await run("chroot", [root, "/bin/busybox", "--install", "-s", "/bin"]);
  await writeFile(
    join(root, "etc/passwd"),
    "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" +
      "app:x:1000:1000::/home/app:/bin/sh\n",
  );
  await writeFile(
    join(root, "etc/group"),
    "root:x:0:\nnogroup:x:65534:\napp:x:1000:\nextra:x:50000:app\n",
  );
}

function removeCgroup(path: string): void {
  const roots = detectLayout().hierarchies.map(({ root }) => root);
  // runc uses the v2 tree of a hybrid host, too.
  for (const root of [...roots, "/sys/fs/cgroup/unified"]) removeKernelDirectory(root + path);
}
