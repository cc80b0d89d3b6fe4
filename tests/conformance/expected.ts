/**
 * `expected_pass.txt`: the specs that pass. It may only grow; a spec in it that does not pass is a failure.
 *
 * @module
 */
import type { SpecResult } from "./critest.ts";

const LIST = new URL("expected_pass.txt", import.meta.url);

/** Names of the specs that have to pass, by default on any host. */
export async function expectedPass(list: URL = LIST): Promise<ReadonlySet<string>> {
  const lines = (await Deno.readTextFile(list)).split("\n");
  return new Set(lines.filter((line) => line !== "" && !line.startsWith("#")));
}

export interface Verdict {
  /** Listed specs that ran and did not pass, or did not run. */
  readonly broken: readonly SpecResult[];
  /** Specs that pass and are not listed yet. */
  readonly unlisted: readonly string[];
}

/** Holds results against the list. */
export function judge(specs: readonly SpecResult[], expected: ReadonlySet<string>): Verdict {
  const byName = new Map(specs.map((spec) => [spec.name, spec]));
  const results = [...expected].map((name) =>
    byName.get(name) ?? { name, state: "not run", seconds: 0, message: "" }
  );
  return {
    broken: results.filter(({ state }) => state !== "passed"),
    unlisted: specs
      .filter(({ name, state }) => state === "passed" && !expected.has(name))
      .map(({ name }) => name),
  };
}

/** Adds specs to the list. */
export async function grow(names: readonly string[]): Promise<void> {
  const text = await Deno.readTextFile(LIST);
  const comments = text.split("\n").filter((line) => line.startsWith("#"));
  const all = [...new Set([...await expectedPass(), ...names])].sort();
  await Deno.writeTextFile(LIST, `${[...comments, ...all].join("\n")}\n`);
}
