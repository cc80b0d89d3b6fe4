/**
 * Counts what `deno test --junit-path` reports.
 *
 * @module
 */

/** How many tests ended how. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** No tests. */
export const NOTHING: Count = { passed: 0, failed: 0, skipped: 0 };

/** Both together. */
export function add(one: Count, other: Count): Count {
  return {
    passed: one.passed + other.passed,
    failed: one.failed + other.failed,
    skipped: one.skipped + other.skipped,
  };
}

type State = keyof Count;

/**
 * Counts the leaves of a JUnit report: a `describe` is no test, but one that fails by itself (in a
 * hook) with no failed test inside counts as failed.
 */
export function readReport(xml: string): Count {
  const cases = [...xml.matchAll(/<testcase name="([^"]*)"[^>]*>([\s\S]*?)<\/testcase>/g)]
    .map(([, name, body]) => ({ name: name!, state: stateOf(body!) }));
  const groups = new Set<string>();
  const brokenGroups = new Set<string>();
  for (const { name, state } of cases) {
    for (const group of groupsOf(name)) {
      groups.add(group);
      if (state === "failed") brokenGroups.add(group);
    }
  }
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { name, state } of cases) {
    if (!groups.has(name)) count[state]++;
    else if (state === "failed" && !brokenGroups.has(name)) count.failed++;
  }
  return count;
}

const SEPARATOR = " &gt; ";

/** `a > b > c` is in `a > b` and `a`. */
function groupsOf(name: string): string[] {
  const parts = name.split(SEPARATOR);
  return parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join(SEPARATOR));
}

function stateOf(body: string): State {
  if (body.includes("<failure") || body.includes("<error")) return "failed";
  return body.includes("<skipped") ? "skipped" : "passed";
}
