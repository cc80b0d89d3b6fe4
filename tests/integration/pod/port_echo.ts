/**
 * Both ends of a conversation: `serve NAME` answers on TCP port 80 and UDP port 53 with the name and the
 * asker's address; `tcp|udp ADDRESS PORT` asks and prints the answer.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { connect, createServer } from "node:net";
import process from "node:process";

/** The kernel tries a new address of IPv6 out for a second or two before it answers there. */
const LIMIT_MS = 15_000;
const AGAIN_MS = 300;

function plain(address: string | undefined): string {
  return (address ?? "").replace("::ffff:", "");
}

async function serve(name: string): Promise<void> {
  const answer = (address: string | undefined) => `${name} heard ${plain(address)}`;
  const stream = createServer((socket) => {
    socket.on("error", () => {});
    socket.end(answer(socket.remoteAddress));
  });
  await new Promise<void>((resolve) => stream.listen(80, "::", resolve));
  for (const kind of ["udp4", "udp6"] as const) {
    const datagrams = createSocket({ type: kind, ipv6Only: true });
    datagrams.on("message", (_, from) => {
      datagrams.send(answer(from.address), from.port, from.address);
    });
    await new Promise<void>((resolve) => datagrams.bind(53, resolve));
  }
  console.log("serving");
}

function give(text: string): never {
  console.log(text);
  process.exit(0);
}

function ask(protocol: string, address: string, port: number): void {
  setTimeout(() => process.exit(1), LIMIT_MS);
  if (protocol === "tcp") {
    let text = "";
    const socket = connect(port, address);
    socket.on("data", (data) => text += data);
    socket.on("end", () => give(text));
    socket.on("error", () => process.exit(1));
    return;
  }
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  socket.on("message", (message) => give(message.toString()));
  socket.on("error", () => process.exit(1));
  const send = () => socket.send("hello", port, address);
  send();
  setInterval(send, AGAIN_MS);
}

const [what, where, port] = Deno.args;
if (what === "serve") await serve(where!);
else ask(what!, where!, Number(port));
