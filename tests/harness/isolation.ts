/**
 * Namespaces to run a whole node in: crid, its registry and its clients share them, so that fixed host
 * ports, bridges and packet filter rules of one run meet nobody else's, and vanish with it.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { DEFAULT_PATH, exit, killGroup, run, start } from "../../src/linux/mod.ts";

/** Namespaces of their own for network and mounts; disposing ends them. */
export interface Isolation extends AsyncDisposable {
  /** Put before a command line, runs it inside. */
  readonly through: readonly string[];
  /** A process inside, for paths below /proc. */
  readonly pid: number;
}

/** Put before a command line: the program does not outlive a test process that is killed. */
export const DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"] as const;

/** Where hybrid cgroup hosts mount the second version beside the first. */
const UNIFIED = "/sys/fs/cgroup/unified";

/**
 * Makes the namespaces, with loopback up. crun before 1.9 refuses hosts that have controllers in both
 * cgroup versions, so the second one is unmounted inside.
 */
export async function isolate(): Promise<Isolation> {
  // Directories that crun makes there all the same, mounted or not, go with the namespace.
  const hide = `umount -l ${UNIFIED} 2>/dev/null; mount -t tmpfs tmpfs ${UNIFIED} 2>/dev/null`;
  const script = `ip link set lo up && { ${hide}; echo ready; exec cat; }`;
  const args = ["--net", "--mount", "--propagation", "private", "sh", "-c", script];
  const child = start("unshare", args, {
    env: { PATH: DEFAULT_PATH },
    // `cat` ends with its input, so nothing is left when the test process is killed.
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = exit(child, "unshare");
  const ready = Promise.withResolvers<void>();
  createInterface({ input: child.stdout! }).once("line", () => ready.resolve());
  const failed = ended.then(({ code }): never => {
    throw new Error(`make namespaces: unshare ended with ${code}`);
  });
  failed.catch(() => {});
  await Promise.race([ready.promise, failed]);
  return {
    through: ["nsenter", "--target", String(child.pid!), "--net", "--mount", "--"],
    pid: child.pid!,
    async [Symbol.asyncDispose]() {
      killGroup(child);
      await ended;
    },
  };
}

/** Runs a program to its end inside `isolation`, or outside of any; a failure is an error. */
export async function output(
  isolation: Pick<Isolation, "through"> | undefined,
  command: string,
  args: readonly string[],
): Promise<string> {
  const [program, ...rest] = [...isolation?.through ?? [], command, ...args];
  const { code, stdout, stderr } = await run(program!, rest);
  if (code !== 0) {
    const text = new TextDecoder().decode(stderr);
    throw new Error(`${command} ${args.join(" ")}: exit code ${code}: ${text}`);
  }
  return new TextDecoder().decode(stdout);
}
