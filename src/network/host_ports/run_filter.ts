import { CridError } from "../../failure/mod.ts";
import { run } from "../../linux/mod.ts";
import { excerpt } from "../excerpt.ts";

/** A packet filter takes some milliseconds; one that waits for a lock may take longer. */
export const FILTER_MS = 20_000;

/**
 * Runs the program of a packet filter.
 *
 * @returns What it printed.
 * @throws {CridError} With what it said.
 */
export async function runFilter(
  program: string,
  args: readonly string[],
  stdin = "",
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, { stdin, timeoutMs: FILTER_MS });
  if (code === 0) return new TextDecoder().decode(stdout);
  throw new CridError("internal", `${program}: ${excerpt(new TextDecoder().decode(stderr))}`);
}
