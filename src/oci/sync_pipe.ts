import type { Readable } from "node:stream";
import { CridError } from "../failure/mod.ts";

/** What a monitor answers on its sync pipe. */
export interface SyncAnswer {
  /** Of the container's process; -1 when the runtime failed. */
  readonly pid: number;
  /** The runtime's words, when it failed. */
  readonly message: string;
}

/** A monitor's message is below 8.5 kB; escaped as JSON it may grow. */
const MAX_LINE = 128 * 1024;

/**
 * Reads a monitor's sync pipe: one line of JSON, then nothing until the monitor ends. The end of
 * the pipe is the notice of the monitor's death.
 */
export function readSync(
  stream: Readable,
): { readonly answer: Promise<SyncAnswer>; readonly closed: Promise<void> } {
  const answer = Promise.withResolvers<SyncAnswer>();
  const closed = Promise.withResolvers<void>();
  answer.promise.catch(() => {}); // nobody may wait for it any more
  let text = "";
  let answered = false;
  const settle = (line: string) => {
    answered = true;
    text = "";
    try {
      answer.resolve(parseSync(line));
    } catch (error) {
      answer.reject(error);
    }
  };
  // Lenient decoding: the runtime's words may be in any encoding.
  stream.setEncoding("utf8").on("data", (chunk: string) => {
    if (answered) return;
    text += chunk;
    const end = text.indexOf("\n");
    if (end >= 0) settle(text.slice(0, end));
    else if (text.length > MAX_LINE) settle(text);
  });
  const end = () => {
    if (!answered) settle(text);
    closed.resolve();
  };
  stream.once("end", end).once("close", end).once("error", end);
  return { answer: answer.promise, closed: closed.promise };
}

/** @throws {CridError} when there is no answer in it. */
export function parseSync(line: string): SyncAnswer {
  if (line.trim() === "") {
    throw new CridError("unknown", "container create failed: the monitor died without an answer");
  }
  let parsed: { pid?: unknown; message?: unknown };
  try {
    // Control characters that are not escaped are the monitor's fault, the message is still good.
    // deno-lint-ignore no-control-regex
    parsed = JSON.parse(line.replace(/[\u0000-\u001f]/g, " "));
  } catch (cause) {
    throw new CridError(
      "unknown",
      `container create failed: the monitor's answer is no JSON: ${line.slice(0, 1024)}`,
      { cause },
    );
  }
  const pid = Number(parsed.pid);
  return {
    pid: Number.isInteger(pid) ? pid : -1,
    message: typeof parsed.message === "string" ? parsed.message : "",
  };
}
