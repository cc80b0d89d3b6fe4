/**
 * The process that pulls apart from crid, so that a cgroup of its own can hold what it uses. It starts
 * the same isolates as the supervisor, behind the same walls, and passes on what they say.
 *
 * @module
 */
import { errorMessage } from "../failure/mod.ts";
import { configureWorkerLog, log, type WorkerLog } from "../observe/mod.ts";
import { decodeFrames, encodeFrame } from "./frames.ts";
import { PortTunnel } from "./port_tunnel.ts";
import type { FromPullProcess, ProcessLog, ToPullProcess } from "./pull_process_messages.ts";
import { PullWorkers } from "./pull_workers.ts";

/** What no isolate of a pull may do, and nothing here has to. */
const GIVEN_UP = ["run", "sys"] as const;

/** Serves crid on standard input and output, and returns when crid ends or has enough. */
export async function pullProcess(): Promise<void> {
  for (const name of GIVEN_UP) await Deno.permissions.revoke({ name });
  using isolates = new ProcessIsolates();
  for await (const message of decodeFrames(Deno.stdin.readable)) {
    await isolates.receive(message as ToPullProcess);
  }
}

class ProcessIsolates implements Disposable {
  readonly #tunnel = new PortTunnel((frame) => tell(frame));
  readonly #workers = new PullWorkers((id) => tell({ kind: "gone", id }));

  async receive(message: ToPullProcess): Promise<void> {
    switch (message.kind) {
      case "start":
        return this.#start(message);
      case "release":
        return this.#workers.release(message.id);
      case "forget":
        return this.#tunnel.forget(message.channel);
      default:
        return await this.#tunnel.receive(message);
    }
  }

  [Symbol.dispose](): void {
    this.#workers[Symbol.dispose]();
    this.#tunnel[Symbol.dispose]();
  }

  #start({ id, role, config, version, ...rest }: Extract<ToPullProcess, { kind: "start" }>): void {
    configureWorkerLog(logHere(rest.log));
    const start = { config, version, log: logHere(rest.log) };
    this.#tunnel.bridge(this.#workers.start(id, role, start), rest.port);
  }
}

/** How an isolate of this process is to log. */
function logHere({ to, ...settings }: ProcessLog): WorkerLog {
  if (to === "stderr") return settings;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = ({ data }) => tell({ kind: "log", line: String(data) });
  return { ...settings, port: port2 };
}

/** Whoever cannot be told has gone, and this process ends with its input. */
function tell(message: FromPullProcess): void {
  try {
    writeWhole(encodeFrame(message));
  } catch (error) {
    log.debug(`tell crid: ${errorMessage(error)}`);
  }
}

function writeWhole(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stdout.writeSync(rest));
}
