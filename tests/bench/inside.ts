/**
 * Benchmarks run in namespaces of their own, crid, registry and floors alike, so that no step is measured
 * through a helper program and nothing stays on the machine.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import process from "node:process";

const MARK = "CRID_BENCH_INSIDE";
const ENTER =
  'ip link set lo up && { umount -l /sys/fs/cgroup/unified 2>/dev/null && mount -t tmpfs tmpfs /sys/fs/cgroup/unified; mount -t tmpfs tmpfs /tmp && exec "$@"; }';

/**
 * Starts this program again in new network and mount namespaces with an empty /tmp in memory, and ends with
 * its exit code. Returns only inside.
 */
export function runInside(program: string): void {
  if (Deno.env.get(MARK) !== undefined) return;
  const command = [Deno.execPath(), "run", "--allow-all", program, ...Deno.args];
  const { status } = spawnSync(
    "unshare",
    ["--net", "--mount", "--propagation", "private", "sh", "-c", ENTER, "sh", ...command],
    { stdio: "inherit", env: { ...Deno.env.toObject(), [MARK]: "1" } },
  );
  process.exit(status ?? 1);
}
