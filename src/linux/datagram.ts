import { Buffer } from "node:buffer";
import { check } from "./errno.ts";
import { Fd, OpenFlag } from "./fd.ts";
import { libc } from "./libc.ts";

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
/** Size of `sun_path`. */
const MAX_PATH = 108;

/**
 * Sends one datagram to a unix socket, which Deno has no way to do without a socket file of its own.
 *
 * @param address A path, or `@name` for the abstract name space.
 * @throws {Errno} When nobody listens there.
 */
export function sendDatagram(address: string, text: string): void {
  const path = Buffer.from(address);
  if (path.length >= MAX_PATH) throw new TypeError(`${address} is too long for a unix socket`);
  if (address.startsWith("@")) path[0] = 0;
  const target = new Uint8Array(2 + path.length + (path[0] === 0 ? 0 : 1));
  new DataView(target.buffer).setUint16(0, AF_UNIX, true);
  target.set(path, 2);
  const type = SOCK_DGRAM | OpenFlag.CLOEXEC;
  using socket = new Fd(check(libc().socket(AF_UNIX, type, 0), "socket", address));
  check(libc().connect(socket.number, target, target.length), "connect", address);
  const bytes = new Uint8Array(Buffer.from(text));
  check(libc().write(socket.number, bytes, BigInt(bytes.length)), "write", address);
}
