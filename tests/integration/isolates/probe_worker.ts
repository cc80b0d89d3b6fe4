/**
 * Tries, in whatever isolate it is started, what a hostile image might try, and tells what came of it.
 *
 * @module
 */
import { spawn } from "node:child_process";

/** What to try; paths and addresses that would work without walls. */
export interface Attempts {
  readonly read: readonly string[];
  readonly write: readonly string[];
  /** `host:port` */
  readonly connect: string;
  readonly unixSocket: string;
  /** Another process; its own, Deno lets everyone signal. */
  readonly pid: number;
}

/** `allowed`, or the name of the error. */
export type Outcomes = Readonly<Record<string, string>>;

async function outcome(attempt: () => unknown): Promise<string> {
  try {
    await attempt();
    return "allowed";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

async function tryAll({ read, write, connect, unixSocket, pid }: Attempts): Promise<Outcomes> {
  const outcomes: Record<string, string> = {};
  const attempt = async (name: string, work: () => unknown) => {
    outcomes[name] = await outcome(work);
  };
  await attempt("spawn", () => new Deno.Command("true").outputSync());
  await attempt("node spawn", () => spawn("true"));
  await attempt("ffi", () => Deno.dlopen("libc.so.6", {}).close());
  await attempt("env", () => Deno.env.get("PATH"));
  await attempt("hostname", () => Deno.hostname());
  await attempt("kill", () => Deno.kill(pid, "SIGCONT"));
  const [hostname = "", port = ""] = connect.split(":");
  await attempt("connect", async () => {
    (await Deno.connect({ hostname, port: Number(port) })).close();
  });
  await attempt("fetch", async () => (await fetch(`http://${connect}/`)).body?.cancel());
  await attempt("unix socket", async () => {
    (await Deno.connect({ transport: "unix", path: unixSocket })).close();
  });
  for (const path of read) await attempt(`read ${path}`, () => Deno.readTextFile(path));
  for (const path of write) await attempt(`write ${path}`, () => Deno.writeTextFile(path, "x"));
  return outcomes;
}

self.onmessage = async ({ data }: MessageEvent<Attempts>) => self.postMessage(await tryAll(data));
