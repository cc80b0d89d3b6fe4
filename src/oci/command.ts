import { CridError } from "../failure/mod.ts";
import { DEFAULT_PATH, run, type RunResult } from "../linux/mod.ts";
import type { RuntimeHandler } from "./types.ts";

/** How long a runtime may take for what it does at once. */
const QUICK_MS = 60_000;

/** What {@linkcode runtime} needs besides the arguments. */
export interface RuntimeCall {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs `<runtime> --root=… <args>` to its end. A non-zero code is a result, not an error. */
export async function runtime(
  handler: RuntimeHandler,
  args: readonly string[],
  call: RuntimeCall = {},
): Promise<RunResult> {
  const [program = "", ...rest] = runtimeCommand(handler, args);
  return await run(program, rest, {
    env: handlerEnvironment(handler),
    timeoutMs: call.timeoutMs ?? QUICK_MS,
    ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
    signal: call.signal,
  });
}

/**
 * {@linkcode runtime}, but anything but success is an error with the runtime's words.
 *
 * @param doing For the error: `start container <id>`.
 */
export async function runtimeOk(
  handler: RuntimeHandler,
  doing: string,
  args: readonly string[],
  call: RuntimeCall = {},
): Promise<RunResult> {
  const result = await runtime(handler, args, call);
  if (result.code === 0) return result;
  throw new CridError("unknown", `${doing}: ${runtimeMessage(result)}`);
}

/** The command line of a runtime call, with the mount namespace that it needs on a hybrid host. */
export function runtimeCommand(handler: RuntimeHandler, args: readonly string[]): string[] {
  const call = [handler.path, `--root=${handler.root}`, ...args];
  return handler.hideUnified ? [handler.native, "start", "-u", "--", ...call] : call;
}

/** The environment of the runtime and the monitor: built, not inherited. */
export function handlerEnvironment(handler: RuntimeHandler): Record<string, string> {
  const environment: Record<string, string> = { PATH: DEFAULT_PATH, CRI_O_EXTERNAL: "1" };
  for (const entry of handler.monitorEnv) {
    const equals = entry.indexOf("=");
    if (equals > 0) environment[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  return environment;
}

/** What a runtime said went wrong: the text of its last message, whichever form that has. */
export function runtimeMessage(result: Pick<RunResult, "code" | "stderr">): string {
  const text = new TextDecoder().decode(result.stderr);
  return lastMessage(text) || `ended with code ${result.code} and without a message`;
}

/** Bytes of a message that an error carries. */
const MAX_MESSAGE = 4096;

/** The last message of a log: logrus' `msg="…"` without its frame, or the line itself. */
export function lastMessage(text: string): string {
  const line = text.trim().split("\n").at(-1)?.trim() ?? "";
  const quoted = /\bmsg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  return (quoted === undefined ? line : unquote(quoted)).slice(-MAX_MESSAGE);
}

function unquote(quoted: string): string {
  try {
    return JSON.parse(quoted);
  } catch {
    return quoted.slice(1, -1); // Go's escapes are not all JSON's
  }
}
