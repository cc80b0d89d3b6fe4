import type { Config } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { releaseFreeMemory, releaseLargeBlocks } from "../linux/mod.ts";
import { log, logForWorker, type WorkerLog } from "../observe/mod.ts";
import type { FromCri, Installation, PullRole, ToCri, ToPull } from "./messages.ts";
import { releaseAbandonedLocks } from "../storage/mod.ts";
import { storeOptions } from "./options.ts";
import { answersOn, serviceEnvironment, ServiceManager } from "./service_manager.ts";
import { spawnIsolate } from "./spawn.ts";

/** A worker that dies at once is not started again at once: milliseconds, doubled up to the longest. */
const FIRST_RESTART_MS = 100;
const LONGEST_RESTART_MS = 10_000;
/** A worker that has run so long was healthy; its next restart is quick again. */
const HEALTHY_MS = 60_000;
/** A first start that fails so often has a reason that waiting does not cure. */
const MOST_FAILED_STARTS = 2;
/** When an isolate that has come or gone has freed what it does not need. */
const SETTLED_MS = 1_000;
/** How long a clean shutdown may take before the rest is left to the next start. */
const SHUTDOWN_MS = 30_000;

/**
 * Runs crid until SIGTERM or SIGINT. The supervisor holds all permissions and runs almost no code:
 * it starts the isolates, starts them again when they die, and passes signals on. State is on disk,
 * so a restart of `cri` is a restore.
 *
 * @returns The exit code.
 */
export async function supervise(config: Config, installation: Installation): Promise<number> {
  releaseLargeBlocks();
  using supervisor = new Supervisor(config, installation);
  return await supervisor.run();
}

class Supervisor implements Disposable {
  readonly #config: Config;
  readonly #installation: Installation;
  readonly #pullers = new Map<number, Worker>();
  readonly #service: ServiceManager;
  readonly #exit = Promise.withResolvers<number>();
  #cri: Worker | undefined;
  #startedAt = 0;
  #restartMs = FIRST_RESTART_MS;
  #stopping = false;
  #everReady = false;
  #failures = 0;
  #memoryTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #onSignal = () => this.#stop();
  /** Without a listener it would end the daemon, and `systemctl reload` sends it. */
  readonly #onReload = () =>
    log.warn("SIGHUP: this release cannot reload its configuration; restart crid to apply it");

  constructor(config: Config, installation: Installation) {
    this.#config = config;
    this.#installation = installation;
    this.#service = new ServiceManager(
      serviceEnvironment(Deno.env, Deno.pid),
      (timeoutMs) => answersOn(config.api.listen, timeoutMs),
    );
  }

  async run(): Promise<number> {
    Deno.addSignalListener("SIGTERM", this.#onSignal);
    Deno.addSignalListener("SIGINT", this.#onSignal);
    Deno.addSignalListener("SIGHUP", this.#onReload);
    this.#startCri();
    return await this.#exit.promise;
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGTERM", this.#onSignal);
    Deno.removeSignalListener("SIGINT", this.#onSignal);
    Deno.removeSignalListener("SIGHUP", this.#onReload);
    clearTimeout(this.#memoryTimer);
    this.#service[Symbol.dispose]();
    this.#cri?.terminate();
    this.#releaseAll();
  }

  #startCri(): void {
    this.#startedAt = performance.now();
    const worker = spawnIsolate("cri", this.#config);
    this.#cri = worker;
    worker.onmessage = ({ data }: MessageEvent<FromCri>) => this.#fromCri(data);
    worker.onerror = (event) => {
      event.preventDefault();
      if (this.#cri === worker) this.#restartCri(event.message);
    };
    const [config, installation] = [this.#config, this.#installation];
    const logging = workerLog();
    this.#toCri({ kind: "start", config, installation, log: logging.log }, logging.transfer);
  }

  #fromCri(message: FromCri): void {
    switch (message.kind) {
      case "ready":
        this.#everReady = true;
        this.#releaseMemorySoon();
        this.#service.ready();
        break;
      case "failed":
        log.error(message.message);
        // Something that worked before is tried again; a first start says what is wrong and ends.
        if (this.#everReady) this.#restartCri(message.message);
        else this.#exit.resolve(1);
        break;
      case "need":
        this.#startPuller(message.id, message.role);
        break;
      case "release":
        this.#release(message.id);
        break;
      case "stopped":
        this.#exit.resolve(0);
        break;
    }
  }

  #restartCri(why: string): void {
    this.#cri?.terminate();
    this.#cri = undefined;
    this.#releaseAll();
    if (this.#stopping) return this.#exit.resolve(0);
    if (!this.#everReady && this.#failures++ >= MOST_FAILED_STARTS) {
      log.error(`the cri isolate does not start: ${why}`);
      return this.#exit.resolve(1);
    }
    // Descriptors belong to the process: the dead isolate's locks would outlive it.
    releaseAbandonedLocks(storeOptions(this.#config));
    const healthy = performance.now() - this.#startedAt > HEALTHY_MS;
    this.#restartMs = healthy ? FIRST_RESTART_MS : this.#restartMs;
    log.error(`the cri isolate has died (${why}); starting it again in ${this.#restartMs} ms`);
    setTimeout(() => this.#startCri(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, LONGEST_RESTART_MS);
  }

  /** Starts an isolate for a pull and connects it with `cri`; if it dies, its port closes. */
  #startPuller(id: number, role: PullRole): void {
    const worker = spawnIsolate(role, this.#config);
    this.#pullers.set(id, worker);
    worker.onerror = (event) => {
      event.preventDefault();
      log.error(`the ${role} isolate has died: ${event.message}`);
      this.#release(id);
      this.#toCri({ kind: "gone", id });
    };
    const channel = new MessageChannel();
    const { version } = this.#installation;
    const logging = workerLog();
    const port = channel.port1;
    const toPull: ToPull = { config: this.#config, version, log: logging.log, port };
    worker.postMessage(toPull, [port, ...logging.transfer]);
    this.#toCri({ kind: "isolate", id, port: channel.port2 }, [channel.port2]);
  }

  #release(id: number): void {
    this.#pullers.get(id)?.terminate();
    this.#pullers.delete(id);
    if (this.#pullers.size === 0) this.#releaseMemorySoon();
  }

  #releaseMemorySoon(): void {
    clearTimeout(this.#memoryTimer);
    this.#memoryTimer = setTimeout(releaseFreeMemory, SETTLED_MS);
    Deno.unrefTimer(this.#memoryTimer);
  }

  #releaseAll(): void {
    for (const id of Array.from(this.#pullers.keys())) this.#release(id);
  }

  #toCri(message: ToCri, transfer: Transferable[] = []): void {
    try {
      this.#cri?.postMessage(message, transfer);
    } catch (error) {
      log.error(`tell the cri isolate: ${errorMessage(error)}`);
    }
  }

  #stop(): void {
    if (this.#stopping) return;
    this.#stopping = true;
    this.#service.stopping();
    log.info("Shutting down; containers keep running");
    this.#toCri({ kind: "stop" });
    setTimeout(() => {
      log.warn(`not shut down after ${SHUTDOWN_MS / 1000} s; the next start restores what is left`);
      this.#exit.resolve(0);
    }, SHUTDOWN_MS);
  }
}

/** What a Worker needs to write to the same log, and what has to be handed over with it. */
function workerLog(): { log: WorkerLog; transfer: Transferable[] } {
  const log = logForWorker();
  return { log, transfer: log.port === undefined ? [] : [log.port] };
}
