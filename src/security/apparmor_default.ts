import { CridError, errorMessage } from "../failure/mod.ts";
import { run } from "../linux/mod.ts";

/** The profile that crid brings along; the name that CRI-O's has. */
export const DEFAULT_APPARMOR_PROFILE = "crio-default";

const LOAD_MS = 30_000;

/**
 * The built-in profile: a container may use the network, files and signals among its own processes;
 * it may not mount, write the kernel's switches, or trace what is outside.
 */
export function defaultApparmorText(name: string): string {
  return `abi <abi/3.0>,
#include <tunables/global>

profile ${name} flags=(attach_disconnected,mediate_deleted) {
  #include <abstractions/base>

  network,
  capability,
  file,
  umount,

  # The runtime and the monitor may signal the container; its processes each other.
  signal (receive) peer=unconfined,
  signal (receive) peer=crun,
  signal (receive) peer=runc,
  signal (send, receive) peer=${name},
  ptrace (trace, read, tracedby, readby) peer=${name},

  deny mount,

  # Memory and secrets of the kernel.
  deny @{PROC}/{kcore,kmem,mem,keys,kallsyms,timer_list,sched_debug} rwklx,
  deny /sys/{firmware,kernel/security,kernel/debug}/** rwklx,

  # Hardware and the kernel as a whole: to be read at most.
  deny @{PROC}/{acpi,asound,bus,driver,dynamic_debug,fs,irq,mtrr,scsi,tty}/** wklx,
  deny @{PROC}/{mtrr,sysrq-trigger} wklx,
  deny /sys/{block,bus,class,dev,devices,hypervisor,kernel,module,power}/** wklx,
  deny /sys/fs/[^c]*/** wklx,

  # Of the switches only those of its own namespaces: net/, fs/mqueue/, kernel/{shm,msg,sem}*.
  deny @{PROC}/sys/{abi,crypto,debug,dev,sunrpc,user,vm}/** wklx,
  deny @{PROC}/sys/fs/[^m]** wklx,
  deny @{PROC}/sys/kernel/[^dhms]** wklx,
  deny @{PROC}/sys/kernel/{d[^o],h[^o],m[^s],s[^eh]}** wklx,
  deny @{PROC}/sys/kernel/{hotplug,seccomp/**} wklx,
}
`;
}

/**
 * Compiles the built-in profile and loads it into the kernel, in the place of one with its name.
 *
 * @throws {CridError} `failed_precondition` when the host has no compiler or it refuses.
 */
export async function loadDefaultApparmorProfile(name: string): Promise<void> {
  const doing = `load AppArmor profile "${name}"`;
  let result;
  try {
    result = await run("apparmor_parser", ["--replace", "--skip-cache"], {
      stdin: defaultApparmorText(name),
      timeoutMs: LOAD_MS,
    });
  } catch (cause) {
    throw new CridError(
      "failed_precondition",
      `${doing}: ${errorMessage(cause)}; install apparmor_parser or set apparmor_profile`,
      { cause },
    );
  }
  if (result.code === 0) return;
  const words = new TextDecoder().decode(result.stderr).trim();
  throw new CridError("failed_precondition", `${doing}: apparmor_parser: ${words}`);
}
