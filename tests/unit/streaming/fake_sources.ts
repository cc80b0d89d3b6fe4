/**
 * Commands and ports without a container behind them, for tests of the streaming server.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { type Duplex, PassThrough, type TransformCallback } from "node:stream";
import type { CommandStreams, TerminalSize, WantedStreams } from "../../../src/oci/mod.ts";
import { CridError } from "../../../src/failure/mod.ts";
import { serveStreams, type StreamServer, type StreamSources } from "../../../src/streaming/mod.ts";
import type { StreamServerOptions } from "../../../src/streaming/mod.ts";

/** Copies what it is given, as pipes and sockets do. */
class CopyingPipe extends PassThrough {
  override _transform(chunk: Buffer, encoding: BufferEncoding, done: TransformCallback): void {
    super._transform(Buffer.from(chunk), encoding, done);
  }
}

/** A command whose streams and end a test holds in its hand. */
export class FakeCommand implements CommandStreams {
  readonly stdin: PassThrough | undefined;
  readonly stdout = new CopyingPipe();
  readonly stderr: PassThrough | undefined;
  readonly sizes: TerminalSize[] = [];
  readonly #ended = Promise.withResolvers<number>();
  readonly #hungUp = Promise.withResolvers<void>();

  constructor(wanted: WantedStreams) {
    this.stdin = wanted.stdin ? new CopyingPipe() : undefined;
    this.stderr = wanted.stderr ? new CopyingPipe() : undefined;
    this.ended.catch(() => {});
  }

  get ended(): Promise<number> {
    return this.#ended.promise;
  }

  get hungUp(): Promise<void> {
    return this.#hungUp.promise;
  }

  /** Ends as a process does: its outputs end, then it is known how. */
  exit(code: number): void {
    this.stdout.end();
    this.stderr?.end();
    this.#ended.resolve(code);
  }

  resize(size: TerminalSize): void {
    this.sizes.push(size);
  }

  hangUp(): void {
    this.stdin?.destroy();
    this.stdout.destroy();
    this.stderr?.destroy();
    this.#hungUp.resolve();
  }

  kill(): void {
    this.exit(137);
  }
}

/** Sources that remember the commands they were asked for; `connect` answers echoes but for port 1. */
export class FakeSources implements StreamSources {
  readonly commands: FakeCommand[] = [];
  readonly #started: ((command: FakeCommand) => void)[] = [];

  /** The next command that is started. */
  started(): Promise<FakeCommand> {
    return new Promise((resolve) => this.#started.push(resolve));
  }

  exec(_id: string, command: readonly string[], wanted: WantedStreams): CommandStreams {
    if (command[0] === "missing") {
      throw new CridError("unknown", "no such command: missing");
    }
    return this.attach("", wanted);
  }

  attach(_id: string, wanted: WantedStreams): CommandStreams {
    const command = new FakeCommand(wanted);
    this.commands.push(command);
    this.#started.shift()?.(command);
    return command;
  }

  connect(_sandboxId: string, port: number): Promise<Duplex> {
    if (port !== 1) return Promise.resolve(new CopyingPipe());
    return Promise.reject(new CridError("unavailable", "connect to port 1: Connection refused"));
  }
}

/** A streaming server on a free port of loopback. */
export async function served(
  options: Partial<StreamServerOptions> = {},
): Promise<{ readonly server: StreamServer; readonly sources: FakeSources } & AsyncDisposable> {
  const sources = new FakeSources();
  const server = await serveStreams({ sources, address: "127.0.0.1", port: 0, ...options });
  return { server, sources, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** An exec offer with stdout, stderr and whatever else is asked for. */
export function execUrl(
  server: StreamServer,
  { command = ["true"], ...wanted }: Partial<WantedStreams> & { command?: readonly string[] } = {},
): string {
  const flags = { tty: false, stdin: false, stdout: true, stderr: !wanted.tty };
  return server.offer({ kind: "exec", id: "c1", command, ...flags, ...wanted });
}
