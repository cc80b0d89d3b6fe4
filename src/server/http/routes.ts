import { Buffer } from "node:buffer";
import { getHeapSnapshot } from "node:v8";
import { errorMessage, isCode } from "../../failure/mod.ts";
import type { CriServerOptions } from "../types.ts";
import type { RunningCalls } from "../grpc/running_calls.ts";
import { info } from "./info.ts";
import { inspect } from "./inspect.ts";

/** One answer over HTTP/1. */
export interface Reply {
  readonly status: number;
  readonly contentType: string;
  readonly body: string | Uint8Array;
}

/** Everything that the status API is about. */
export type HttpSources =
  & Pick<CriServerOptions, "pods" | "config" | "configText" | "pauser">
  & { readonly running: RunningCalls };

/** Answers one request of the status API, as CRI-O's does. Never throws. */
export async function route(method: string, path: string, sources: HttpSources): Promise<Reply> {
  if (method !== "GET" && method !== "HEAD") return text(405, "Method Not Allowed");
  try {
    return await answer(path, sources);
  } catch (error) {
    return text(statusOf(error), errorMessage(error));
  }
}

async function answer(path: string, sources: HttpSources): Promise<Reply> {
  const { pods, config, configText, running } = sources;
  if (path === "/config") {
    return { status: 200, contentType: "application/toml", body: configText() };
  }
  if (path === "/info") return json(info(config(), pods.cgroupDriver));
  if (path === "/debug/goroutines") return text(200, running.describe());
  if (path === "/debug/heap") return await heap();
  const [, kind, id = "", rest] = path.split("/");
  if (id === "" || rest !== undefined) return notFound();
  if (kind === "containers") return json(await inspect(pods, id));
  if (kind === "pause" || kind === "unpause") return await pause(kind, id, sources);
  return notFound();
}

/** For the tools of V8. It has everything that this isolate knows: the socket is root's. */
async function heap(): Promise<Reply> {
  const chunks: Uint8Array[] = await Array.fromAsync(getHeapSnapshot());
  return { status: 200, contentType: "application/octet-stream", body: Buffer.concat(chunks) };
}

async function pause(
  verb: "pause" | "unpause",
  id: string,
  { pods, pauser }: HttpSources,
): Promise<Reply> {
  await inspect(pods, id);
  if (pauser === undefined) return text(501, `this version of crid cannot ${verb} containers`);
  await pauser[verb](id);
  return { status: 200, contentType: "text/html", body: "200 OK" };
}

function statusOf(error: unknown): number {
  if (isCode(error, "not_found")) return 404;
  if (isCode(error, "failed_precondition")) return 409;
  return 500;
}

function notFound(): Reply {
  return text(404, "404 page not found");
}

function text(status: number, body: string): Reply {
  return { status, contentType: "text/plain; charset=utf-8", body: body + "\n" };
}

/** ES2025 has it, the library of TypeScript does not yet. */
const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };

/** Nanoseconds do not fit into a double; JSON can hold them all the same. */
function json(value: object): Reply {
  const body = JSON.stringify(
    value,
    (_key, member) => typeof member === "bigint" ? rawJSON(String(member)) : member,
  );
  return { status: 200, contentType: "application/json", body };
}
