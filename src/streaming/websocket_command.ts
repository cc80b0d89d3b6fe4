import { Buffer } from "node:buffer";
import { Readable, Writable } from "node:stream";
// @ts-types="@types/ws"
import type { WebSocket } from "ws";
import type { TerminalSize, WantedStreams } from "../oci/mod.ts";
import type { ClientStreams } from "./command_session.ts";
import { giveBack } from "./chunk_memory.ts";
import type { CommandProtocol } from "./protocols.ts";
import { ResizeParser } from "./resize.ts";
import { statusJson, statusText } from "./status.ts";

/** The first byte of a message. */
const Channel = { STDIN: 0, STDOUT: 1, STDERR: 2, ERROR: 3, RESIZE: 4, CLOSE: 255 } as const;
const NORMAL_CLOSURE = 1000;
/** How long a client may take to answer the closing of a WebSocket. */
const LINGER_MS = 5_000;

/**
 * Takes the streams of exec and attach from a client that speaks WebSocket.
 *
 * @param socket Paused.
 */
export function webSocketCommand(
  socket: WebSocket,
  wanted: WantedStreams,
  protocol: CommandProtocol,
  onData: () => void,
): ClientStreams {
  const stdin = wanted.stdin ? new Input(socket) : undefined;
  const sizes = new ResizeParser();
  const output = (channel: number) => new Output(socket, channel, protocol.base64, onData);
  const stdout = wanted.stdout ? output(Channel.STDOUT) : undefined;
  const stderr = wanted.stderr ? output(Channel.STDERR) : undefined;
  const error = output(Channel.ERROR);
  let size: TerminalSize | undefined;
  let resize: ((size: TerminalSize) => void) | undefined;
  const gone = new Promise<void>((resolve) => socket.once("close", () => resolve()));

  socket.on("message", (message: Buffer) => {
    onData();
    const { channel, data } = parseMessage(message, protocol.base64);
    if (channel === Channel.STDIN) stdin?.deliver(data);
    else if (channel === Channel.RESIZE) {
      size = sizes.feed(data).at(-1) ?? size;
      if (size !== undefined) resize?.(size);
    } else if (channel === Channel.CLOSE && protocol.version >= 5 && data[0] === Channel.STDIN) {
      stdin?.end();
    }
  });
  socket.once("close", () => stdin?.end());
  socket.resume();
  // An empty message tells the client that the connection stands.
  (stdout ?? stderr ?? error).write(Buffer.alloc(0));
  return {
    stdin,
    stdout,
    stderr,
    followSizes(listener) {
      resize = listener;
      // The first one is here before the command is.
      if (size !== undefined) listener(size);
    },
    gone,
    async finish(outcome) {
      const report = protocol.version >= 4 ? statusJson(outcome) : statusText(outcome);
      if (report !== "") error.write(Buffer.from(report));
      socket.close(NORMAL_CLOSURE);
      const timer = setTimeout(() => socket.terminate(), LINGER_MS);
      await gone;
      clearTimeout(timer);
    },
  };
}

/** A channel number and data. In base64 the number is a digit and the message text. */
export function parseMessage(
  message: Buffer,
  base64: boolean,
): { readonly channel: number; readonly data: Buffer } {
  const first = message[0] ?? -1;
  if (!base64) return { channel: first, data: message.subarray(1) };
  const data = Buffer.from(message.toString("latin1", 1), "base64");
  return { channel: first - "0".charCodeAt(0), data };
}

/** What the client sends on one channel; when nobody reads it, the socket is not read either. */
class Input extends Readable {
  readonly #socket: WebSocket;
  #over = false;

  constructor(socket: WebSocket) {
    super();
    this.#socket = socket;
  }

  deliver(data: Buffer): void {
    if (!this.#over && data.length > 0 && !this.push(data)) this.#socket.pause();
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.push(null);
  }

  override _read(): void {
    this.#socket.resume();
  }
}

/** What goes to the client on one channel. */
class Output extends Writable {
  readonly #socket: WebSocket;
  readonly #channel: number;
  readonly #base64: boolean;
  readonly #onData: () => void;

  constructor(socket: WebSocket, channel: number, base64: boolean, onData: () => void) {
    super({ decodeStrings: true });
    this.#socket = socket;
    this.#channel = channel;
    this.#base64 = base64;
    this.#onData = onData;
    this.on("error", () => {});
    socket.once("close", () => this.destroy());
  }

  override _write(data: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#onData();
    const message = this.#base64
      ? Buffer.from(`${this.#channel}${data.toString("base64")}`)
      : Buffer.concat([Buffer.of(this.#channel), data]);
    this.#socket.send(message, { binary: !this.#base64 }, (error) => {
      giveBack(message);
      done(error);
    });
  }
}
