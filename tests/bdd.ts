/**
 * The words that tests are written in: node:test, but for hooks around each test. Deno 2.9.6 swallows
 * what `afterEach` throws, and many tests look there for what they have left behind.
 *
 * @module
 */
import { describe as nodeDescribe, it as nodeIt } from "node:test";

export { after, before } from "node:test";

type Work = () => void | Promise<void>;

/** The hooks of one `describe`, or of a file. */
interface Scope {
  readonly outer: Scope | undefined;
  readonly before: Work[];
  readonly after: Work[];
}

let current: Scope = { outer: undefined, before: [], after: [] };

/** What holds for a test or a whole group. */
interface Options {
  /** Whether it cannot run on this machine; the name says what it needs. */
  readonly ignore: boolean;
}

const ALWAYS: Options = { ignore: false };

/** A group of tests. */
export function describe(name: string, body: () => void): void;
export function describe(name: string, options: Options, body: () => void): void;
export function describe(name: string, ...rest: [() => void] | [Options, () => void]): void {
  const [options, body] = rest.length === 1 ? [ALWAYS, rest[0]] : rest;
  const scope: Scope = { outer: current, before: [], after: [] };
  nodeDescribe(name, { skip: options.ignore }, () => {
    const outer = current;
    current = scope;
    try {
      body();
    } finally {
      current = outer;
    }
  });
}

/** One test; it fails when it throws, or what comes before or after it. */
export function it(name: string, body: Work): void;
export function it(name: string, options: Options, body: Work): void;
export function it(name: string, ...rest: [Work] | [Options, Work]): void {
  const [options, body] = rest.length === 1 ? [ALWAYS, rest[0]] : rest;
  const scope = current;
  nodeIt(name, { skip: options.ignore }, async () => {
    const failures: unknown[] = [];
    const attempt = async (work: Work) => {
      try {
        await work();
      } catch (error) {
        failures.push(error);
      }
    };
    await attempt(async () => {
      for (const each of scopes(scope).toReversed()) for (const work of each.before) await work();
      await body();
    });
    for (const each of scopes(scope)) for (const work of each.after) await attempt(work);
    if (failures.length > 1) throw new AggregateError(failures, failures.map(String).join("\n\n"));
    if (failures.length === 1) throw failures[0];
  });
}

/** Before each test of the group and of those in it. */
export function beforeEach(work: Work): void {
  current.before.push(work);
}

/** After each test of the group and of those in it, however it ended. */
export function afterEach(work: Work): void {
  current.after.push(work);
}

/** A scope and those around it, the innermost first. */
function scopes(innermost: Scope): Scope[] {
  const list: Scope[] = [];
  for (let scope: Scope | undefined = innermost; scope !== undefined; scope = scope.outer) {
    list.push(scope);
  }
  return list;
}
