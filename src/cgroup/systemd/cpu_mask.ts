/** No host has more CPUs. */
const MOST_CPUS = 8192;

/**
 * A list of CPUs as systemd takes it: a bit per CPU, the first CPU in the lowest bit of the first
 * byte. org.freedesktop.systemd1(5)
 *
 * ```ts
 * cpuMask("0-3,8"); // [0b1111, 0b1]
 * ```
 */
export function cpuMask(cpus: string): readonly number[] {
  const mask: number[] = [];
  for (const range of cpus.split(",").filter((text) => text !== "")) {
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let cpu = first; cpu <= Math.min(last, MOST_CPUS); cpu++) {
      const byte = cpu >> 3;
      while (mask.length <= byte) mask.push(0);
      mask[byte]! |= 1 << (cpu & 7);
    }
  }
  return mask;
}
