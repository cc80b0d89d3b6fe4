/**
 * Stand-ins for the programs that crid starts. Each does as it is told, and otherwise as the real one.
 *
 * @module
 */
import { join } from "@std/path";

/** The programs of a node, by the names that the tables use. */
const REAL = {
  runtime: { runc: "/usr/sbin/runc", crun: "/usr/bin/crun" },
  monitor: new URL("../../dist/native/conmon", import.meta.url).pathname,
  pinns: new URL("../../dist/native/pinns", import.meta.url).pathname,
  bridge: "/usr/lib/cni/bridge",
  portmap: "/usr/lib/cni/portmap",
} as const;

export type ProgramName = keyof typeof REAL;

/**
 * What can go wrong with one call of a program. `crash…` is crid's own end by kill -9 while the
 * program runs, before or after it has done its work.
 */
export type Fault =
  /** Says what is wrong, does nothing. */
  | "fails"
  /** Does its work and then says that it has failed. */
  | "fails late"
  /** As before, and then fails at whatever it is asked: nothing can be taken back either. */
  | "breaks"
  /** Says that all is well, in 100 kB of noise, and does nothing. */
  | "lies"
  /** Killed before it has done anything. */
  | "is killed"
  /** Killed after its work. */
  | "is killed late"
  /** Does nothing until it is told to go on. */
  | "hangs"
  | "crashes crid"
  | "crashes crid late";

/** The stand-ins of one node. */
export interface FaultyPrograms extends AsyncDisposable {
  readonly directory: string;
  /** Settings of crio.conf that make crid use them. */
  readonly settings: string;
  /** @param pattern What a call's arguments and CNI command must contain; `""` for any call. */
  set(program: ProgramName, fault: Fault, pattern: string, cridPid: number): Promise<void>;
  /** Whether the fault that was set last has struck. */
  struck(): Promise<boolean>;
  /** A signal that aborts as soon as it has. */
  untilStruck(): AbortSignal;
  /** Every program does as the real one again; those that hang go on. */
  clear(): Promise<void>;
}

/** How often a stand-in is looked at; it can tell by files only. */
const LOOK_MS = 10;

/** What a stand-in says when it fails; errors have to carry it to the client. */
export const COMPLAINT = "disk on fire";

/** A fault strikes as long as the file is there; the end of crid takes it away, for it comes once. */
function standIn(real: string, directory: string): string {
  return `#!/bin/sh
D=${directory}
fault= pattern= crid=
[ -e $D/fault ] && IFS='|' read -r fault pattern crid < $D/fault
case "$fault" in
  "") exec ${real} "$@" ;;
esac
case "$* $CNI_COMMAND" in
  *"$pattern"*) [ -e $D/struck ] && [ "$fault" = breaks ] && fault=fails; : > $D/struck ;;
  *)
    [ -e $D/struck ] && [ "$fault" = breaks ] || exec ${real} "$@"
    fault=fails ;;
esac
case "$fault" in
  fails) echo "${COMPLAINT}" >&2; exit 1 ;;
  "fails late"|breaks) ${real} "$@"; echo "${COMPLAINT}" >&2; exit 1 ;;
  lies) head -c 100000 /dev/urandom; exit 0 ;;
  "is killed") kill -9 $$ ;;
  "is killed late") ${real} "$@"; kill -9 $$ ;;
  hangs) while [ -e $D/fault ]; do sleep 0.05; done; exec ${real} "$@" ;;
  "crashes crid") rm $D/fault; kill -9 $crid; exec ${real} "$@" ;;
  "crashes crid late") ${real} "$@"; code=$?; rm $D/fault; kill -9 $crid; exit $code ;;
esac
`;
}

/** Makes the stand-ins, which do as the real programs until told otherwise. */
export async function faultyPrograms(runtime: "runc" | "crun"): Promise<FaultyPrograms> {
  const directory = await Deno.makeTempDir({ prefix: "crid-faults-" });
  const names = Object.keys(REAL) as ProgramName[];
  const plugins = join(directory, "plugins");
  await Deno.mkdir(plugins);
  for (const name of names) {
    const own = join(directory, name);
    await Deno.mkdir(own);
    const real = name === "runtime" ? REAL.runtime[runtime] : REAL[name];
    await Deno.writeTextFile(join(own, name), standIn(real, own), { mode: 0o755 });
  }
  for (const plugin of ["bridge", "portmap"]) {
    await Deno.symlink(join(directory, plugin, plugin), join(plugins, plugin));
  }
  await Deno.symlink("/usr/lib/cni/host-local", join(plugins, "host-local"));
  const remove = async (file: string) => {
    for (const name of names) {
      await Deno.remove(join(directory, name, file)).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  };
  const struck = async () => {
    const looks = names.map((name) => Deno.stat(join(directory, name, "struck")));
    return (await Promise.allSettled(looks)).some(({ status }) => status === "fulfilled");
  };
  return {
    directory,
    settings: `[crio.runtime]
default_runtime = "faulty"
pinns_path = "${join(directory, "pinns", "pinns")}"
[crio.runtime.runtimes.faulty]
runtime_path = "${join(directory, "runtime", "runtime")}"
runtime_root = "${join(directory, "root")}"
monitor_path = "${join(directory, "monitor", "monitor")}"
container_create_timeout = 30
[crio.network]
plugin_dirs = ["${plugins}"]
`,
    async set(program, fault, pattern, cridPid) {
      await remove("struck");
      const file = join(directory, program, "fault");
      // In one step: a program that starts meanwhile sees all of it or nothing.
      await Deno.writeTextFile(`${file}.new`, `${fault}|${pattern}|${cridPid}\n`);
      await Deno.rename(`${file}.new`, file);
    },
    struck,
    untilStruck() {
      const controller = new AbortController();
      const timer = setInterval(async () => {
        if (!await struck()) return;
        clearInterval(timer);
        controller.abort();
      }, LOOK_MS);
      return controller.signal;
    },
    clear: () => remove("fault"),
    async [Symbol.asyncDispose]() {
      await Deno.remove(directory, { recursive: true });
    },
  };
}
