/** Paths of /proc and /sys that tell or do more than a container should; hidden from it. */
export const DEFAULT_MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/dev/block",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
  "/sys/fs/selinux",
];

/**
 * The masked paths of a container: what CRI asks for, and the defaults with them; an empty request
 * means none at all, which is how CRI says `procMount: Unmasked`.
 */
export function maskedPaths(asked: readonly string[]): string[] {
  return asked.length === 0 ? [] : [...new Set([...asked, ...DEFAULT_MASKED_PATHS])];
}
