import { Socket } from "node:net";
import { CridError, wrapError } from "../failure/mod.ts";
import { check, errnoText } from "./errno.ts";
import { Fd, open, OpenFlag } from "./fd.ts";
import { lastErrno, libc } from "./libc.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const CLONE_NEWNET = 0x40000000;
const EINPROGRESS = 115;
const POLLOUT = 4;

/** A listener whose queue is full answers late; a client does not wait longer. */
const CONNECT_MS = 5000;
/** Waiting takes a thread of a small pool: so many at once. */
const MAX_WAITING = 8;

/**
 * Connects to a TCP port on loopback, 127.0.0.1 first, then ::1.
 *
 * @param namespace Path of the network namespace; `undefined` is this process' own.
 * @throws {CridError} `unavailable` when nobody listens there, or the namespace is gone.
 */
export async function connectLoopback(
  namespace: string | undefined,
  port: number,
): Promise<Socket> {
  const failures: string[] = [];
  for (const family of [AF_INET, AF_INET6]) {
    const { fd, errno } = begin(namespace, family, port);
    const error = errno === EINPROGRESS && fd !== undefined ? await outcome(fd) : errno;
    if (error === 0 && fd !== undefined) {
      const options = { fd: fd.release(), readable: true, writable: true, allowHalfOpen: true };
      return new Socket(options);
    }
    fd?.[Symbol.dispose]();
    failures.push(`${family === AF_INET ? "127.0.0.1" : "::1"}: ${errnoText(error)}`);
  }
  throw new CridError("unavailable", `connect to port ${port}: ${failures.join("; ")}`);
}

/**
 * Begins to connect. The socket is made in the namespace and stays of it; between the two switches
 * nothing else runs on this thread.
 */
function begin(
  namespace: string | undefined,
  family: number,
  port: number,
): { readonly fd: Fd | undefined; readonly errno: number } {
  if (namespace === undefined) return connectHere(family, port);
  using own = open("/proc/thread-self/ns/net", OpenFlag.READ);
  using target = openNamespace(namespace);
  check(libc().setns(target.number, CLONE_NEWNET), "setns", namespace);
  try {
    return connectHere(family, port);
  } finally {
    goBack(own);
  }
}

function openNamespace(path: string): Fd {
  try {
    return open(path, OpenFlag.READ);
  } catch (cause) {
    throw wrapError("the network namespace", cause, "unavailable");
  }
}

function connectHere(family: number, port: number) {
  const number = libc().socket(family, SOCK_STREAM | OpenFlag.NONBLOCK | OpenFlag.CLOEXEC, 0);
  if (number < 0) return { fd: undefined, errno: lastErrno() };
  const fd = new Fd(number);
  const address = loopback(family, port);
  const result = libc().connect(fd.number, address, address.length);
  return { fd, errno: result === 0 ? 0 : lastErrno() };
}

/** A thread in the wrong namespace must do nothing more: the isolate ends and is started anew. */
function goBack(own: Fd): void {
  if (libc().setns(own.number, CLONE_NEWNET) === 0) return;
  const error = new Error(`return to the network namespace: ${errnoText(lastErrno())}`);
  queueMicrotask(() => {
    throw error;
  });
  throw error;
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function loopback(family: number, port: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(family === AF_INET ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  if (family === AF_INET) bytes.set([127, 0, 0, 1], 4);
  else bytes[23] = 1;
  return bytes;
}

/** errno of a connection that was begun, 0 when it stands. On loopback it is known at once. */
async function outcome(fd: Fd): Promise<number> {
  const request = new Uint8Array(8);
  const view = new DataView(request.buffer);
  view.setInt32(0, fd.number, true);
  view.setInt16(4, POLLOUT, true);
  if (libc().poll(request, 1n, 0) === 0) {
    await turn();
    try {
      await libc().pollInThread(request, 1n, CONNECT_MS);
    } finally {
      next();
    }
    if (view.getInt16(6, true) === 0) return ETIMEDOUT;
  }
  const value = new Int32Array(1);
  const size = new Uint32Array([4]);
  const result = libc().getsockopt(
    fd.number,
    SOL_SOCKET,
    SO_ERROR,
    new Uint8Array(value.buffer),
    new Uint8Array(size.buffer),
  );
  return result === 0 ? value[0]! : lastErrno();
}

const ETIMEDOUT = 110;

let waiting = 0;
const queue: (() => void)[] = [];

/** Waits for one of the threads. */
function turn(): Promise<void> {
  if (waiting < MAX_WAITING) {
    waiting++;
    return Promise.resolve();
  }
  return new Promise((resolve) => queue.push(resolve));
}

function next(): void {
  const first = queue.shift();
  if (first === undefined) waiting--;
  else first();
}
