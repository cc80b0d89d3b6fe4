/**
 * Containers for tests of the monitor: a root file system, bundles, and the two OCI runtimes.
 *
 * @module
 */
import { basename, dirname, join } from "@std/path";
import { buildNative, HELPERS } from "../../../scripts/build/native.ts";
import { findRuntime } from "../../../scripts/build/runtime.ts";
import { run } from "../../../src/linux/mod.ts";

export type Runtime = "runc" | "crun";
/** The OCI runtimes that tests run on; for a build with sanitizers the quicker one will do. */
export const RUNTIMES: readonly Runtime[] = Deno.env.has("CRID_TEST_MONITOR")
  ? ["crun"]
  : ["runc", "crun"];

/** Root file system with busybox as its shell, and programs that start the runtimes. */
export interface Stage extends AsyncDisposable {
  readonly directory: string;
  readonly rootfs: string;
  /** For exit files. */
  readonly exits: string;
  /** For links to attach sockets. */
  readonly sockets: string;
  /** Path of a program that runs the runtime. */
  runtime(name: Runtime): string;
}

const SHELL_TOOLS = [
  "sh",
  "cat",
  "sleep",
  "seq",
  "head",
  "dd",
  "kill",
  "ls",
  "readlink",
  "true",
  "stty",
  "tr",
  "test",
  "setsid",
  "nc",
  "usleep",
  "date",
];

/** Makes a stage in a directory of its own. */
export async function makeStage(): Promise<Stage> {
  const directory = await Deno.makeTempDir({ prefix: "crid-monitor-" });
  const rootfs = join(directory, "rootfs");
  for (const name of ["bin", "proc", "dev", "tmp"]) {
    await Deno.mkdir(join(rootfs, name), { recursive: true });
  }
  const [exits, sockets] = [join(directory, "exits"), join(directory, "sockets")];
  for (const path of [exits, sockets]) await Deno.mkdir(path);
  const busybox = await findProgram("busybox");
  const { loader, libraries } = await findRuntime(busybox);
  for (const path of [loader, ...libraries]) {
    await Deno.mkdir(join(rootfs, dirname(path)), { recursive: true });
    await Deno.copyFile(path, join(rootfs, path));
  }
  await Deno.copyFile(busybox, join(rootfs, "bin/busybox"));
  for (const tool of SHELL_TOOLS) await Deno.symlink("busybox", join(rootfs, "bin", tool));

  const native = await buildNative(HELPERS);
  for (const name of ["runc", "crun"] as const) {
    // crun of Debian 12 refuses a hybrid cgroup layout; `start -u` hides its v2 part.
    const program = await findProgram(name);
    const line = name === "crun"
      ? `exec ${native} start -u -- ${program} --root ${directory}/crun "$@"`
      : `exec ${program} --root ${directory}/runc "$@"`;
    const path = join(directory, `${name}.sh`);
    await Deno.writeTextFile(path, `#!/bin/sh\n${line}\n`);
    await Deno.chmod(path, 0o755);
  }
  return {
    directory,
    rootfs,
    exits,
    sockets,
    runtime: (name) => join(directory, `${name}.sh`),
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
      await removeCgroups(basename(directory));
    },
  };
}

/** Runtimes remove the cgroup of a container, not the one above. */
async function removeCgroups(name: string): Promise<void> {
  await run("find", [
    ...["/sys/fs/cgroup", "-mindepth", "1", "-maxdepth", "2", "-depth"],
    ...["-type", "d", "-name", name, "-exec", "rmdir", "{}", "+"],
  ]);
}

async function findProgram(name: string): Promise<string> {
  for (const parent of ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/bin"]) {
    const path = join(parent, name);
    if (await Deno.stat(path).then(() => true, () => false)) return path;
  }
  throw new Error(`${name} is not installed`);
}

/** What a test's container is. */
export interface BundleOptions {
  /** For `sh -c`. */
  readonly script: string;
  readonly terminal?: boolean;
  /** Bytes. */
  readonly memoryLimit?: number;
  /** Default root. */
  readonly user?: number;
  /** Its root is this user on the host, and so on; by default users are the host's. */
  readonly mappedTo?: number;
}

/** Writes a bundle and returns its directory, whose name is the container's id. */
export async function makeBundle(stage: Stage, options: BundleOptions): Promise<string> {
  const bundle = join(stage.directory, `c${crypto.randomUUID().slice(0, 18)}`);
  await Deno.mkdir(bundle);
  await Deno.writeTextFile(
    join(bundle, "config.json"),
    JSON.stringify(spec(stage, basename(bundle), options)),
  );
  return bundle;
}

/** Writes a process for `runtime exec`. */
export async function makeProcess(
  bundle: string,
  args: readonly string[],
  options: { terminal?: boolean } = {},
): Promise<string> {
  const path = join(bundle, `process-${crypto.randomUUID()}.json`);
  await Deno.writeTextFile(path, JSON.stringify(process(args, options)));
  return path;
}

function process(
  args: readonly string[],
  { terminal = false, user = 0 }: { terminal?: boolean; user?: number },
): Record<string, unknown> {
  return {
    terminal,
    user: { uid: user, gid: user },
    args,
    env: ["PATH=/bin"],
    cwd: "/",
    capabilities: {
      bounding: ["CAP_KILL"],
      effective: ["CAP_KILL"],
      permitted: ["CAP_KILL"],
    },
    noNewPrivileges: true,
  };
}

function spec(stage: Stage, id: string, options: BundleOptions): Record<string, unknown> {
  const memory = options.memoryLimit === undefined
    ? {}
    : { memory: { limit: options.memoryLimit } };
  return {
    ociVersion: "1.0.2",
    process: process(["/bin/sh", "-c", options.script], options),
    root: { path: stage.rootfs, readonly: true },
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["mode=755", "size=64k"] },
      {
        destination: "/dev/pts",
        type: "devpts",
        source: "devpts",
        options: ["newinstance", "ptmxmode=0666", "mode=0620"],
      },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
    ],
    linux: {
      cgroupsPath: `/${basename(stage.directory)}/${id}`,
      resources: { devices: [{ allow: false, access: "rwm" }], ...memory },
      namespaces: NAMESPACES.map((type) => ({ type })),
      ...userNamespace(options.mappedTo),
    },
  };
}

const NAMESPACES = ["pid", "ipc", "uts", "mount", "network"];

function userNamespace(mappedTo: number | undefined): Record<string, unknown> {
  if (mappedTo === undefined) return {};
  const mappings = [{ containerID: 0, hostID: mappedTo, size: 65536 }];
  return {
    namespaces: [...NAMESPACES, "user"].map((type) => ({ type })),
    uidMappings: mappings,
    gidMappings: mappings,
  };
}

/** Deletes a container, whatever state it is in. */
export async function deleteContainer(runtime: string, id: string): Promise<void> {
  await run(runtime, ["delete", "--force", id]);
}
