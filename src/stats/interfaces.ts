import { readKernelFile } from "../linux/mod.ts";
import type { InterfaceStats } from "./types.ts";

const POD_INTERFACE = "eth0";

/**
 * Counters of the interfaces in a process's network namespace, the pod's own first and the loopback
 * last; empty when the process has ended.
 */
export function interfaceStats(pid: number): readonly InterfaceStats[] {
  return parseNetDev(readKernelFile(`/proc/${pid}/net/dev`) ?? "");
}

/** Reads /proc/<pid>/net/dev: two lines of titles, then sixteen counters a line. */
export function parseNetDev(text: string): readonly InterfaceStats[] {
  const all = text.split("\n").slice(2).flatMap((line) => {
    const colon = line.lastIndexOf(":");
    if (colon < 0) return [];
    const counters = line.slice(colon + 1).trim().split(/\s+/).map(Number);
    const count = (index: number) => counters[index] ?? 0;
    return {
      name: line.slice(0, colon).trim(),
      rxBytes: count(0),
      rxPackets: count(1),
      rxErrors: count(2),
      rxDropped: count(3),
      txBytes: count(8),
      txPackets: count(9),
      txErrors: count(10),
      txDropped: count(11),
    };
  });
  return all.toSorted((a, b) => rank(a.name) - rank(b.name));
}

function rank(name: string): number {
  if (name === POD_INTERFACE) return 0;
  return name === "lo" ? 2 : 1;
}
