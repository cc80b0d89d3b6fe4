import { chmod, lstat, mkdir, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { dirname } from "@std/path";
import { CridError, errorMessage, wrapError } from "../../failure/mod.ts";
import { closeOnExec } from "../../linux/mod.ts";

/** Owner and group may connect, nobody else. */
const SOCKET_MODE = 0o660;
/** How long a living server may take to accept. */
const PROBE_MS = 2_000;

/** A bound unix socket. */
export interface Listener {
  /** Accepts no more and removes the socket, unless somebody else's stands in its place. */
  close(): Promise<void>;
}

/**
 * Binds a unix socket of mode 0660 and hands on each connection. A socket that a dead server left is
 * replaced, one that answers is not.
 *
 * @throws {CridError} `already_exists` with `already existing connection on <path>`, as CRI-O says.
 */
export async function listen(
  path: string,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // Two that start at once must not both find the old socket dead and remove each other's.
    using _lock = await lockDirectory(dirname(path));
    await removeStale(path);
    const server = createServer({ pauseOnConnect: false }, accept);
    await bind(server, path);
    keepFromChildren(server);
    await chmod(path, SOCKET_MODE);
    const { ino, dev } = await lstat(path);
    const isOurs = async () => {
      const now = await lstat(path).catch(() => undefined);
      return now?.ino === ino && now.dev === dev;
    };
    return { close: () => close(server, path, isOurs) };
  } catch (error) {
    throw wrapError(`listen on ${path}`, error, "internal");
  }
}

async function lockDirectory(directory: string): Promise<Disposable> {
  const file = await Deno.open(directory, { read: true });
  try {
    await file.lock(true);
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

async function removeStale(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) {
    throw new CridError("already_exists", `${path} exists and is no socket; remove it`);
  }
  if (await answers(path)) {
    throw new CridError("already_exists", `already existing connection on ${path}`);
  }
  await unlink(path);
}

/** Only a refused connection proves that nobody listens: a busy server must not lose its socket. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const done = (alive: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(alive);
    };
    const timer = setTimeout(() => done(true), PROBE_MS);
    socket.once("connect", () => done(true));
    socket.once("error", (error: Error & { code?: string }) => {
      done(error.code !== "ECONNREFUSED" && !/refused/i.test(errorMessage(error)));
    });
  });
}

function bind(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path }, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

/**
 * Deno makes the listening socket inheritable (as of 2.9.6). A monitor that holds it outlives crid, and to
 * the next start it looks as if somebody answered.
 */
function keepFromChildren(server: Server): void {
  const { _handle: handle } = server as unknown as { readonly _handle?: { readonly fd?: number } };
  if (handle?.fd === undefined) throw new Error("the listening socket does not tell its number");
  closeOnExec(handle.fd);
}

async function close(
  server: Server,
  path: string,
  isOurs: () => Promise<boolean>,
): Promise<void> {
  // Closing unlinks the path, whoever's socket is there by now: then rather keep a dead one open.
  if (!await isOurs()) return void server.unref();
  // Its callback waits for the connections, which have an owner of their own.
  server.close();
  await unlink(path).catch(() => {});
}
