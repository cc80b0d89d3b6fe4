import { type Config, printToml, type Reloaded } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { releaseFreeMemory, releaseLargeBlocks } from "../linux/mod.ts";
import { log, logForWorker, setLogLevel } from "../observe/mod.ts";
import type { FromCri, Installation, PullRole, ToCri } from "./messages.ts";
import { releaseAbandonedLocks } from "../storage/mod.ts";
import { storeOptions } from "./options.ts";
import { reportCalls } from "./calls_report.ts";
import { PullWorkers } from "./pull_workers.ts";
import { askSocket } from "./own_socket.ts";
import { serviceEnvironment, ServiceManager } from "./service_manager.ts";
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
/** Whatever crid was started with: containers' users read resolv.conf and logs' directories. */
const UMASK = 0o022;
/** How long a clean shutdown may take before the rest is left to the next start. */
const SHUTDOWN_MS = 30_000;

/**
 * Runs crid until SIGTERM or SIGINT. The supervisor holds all permissions and runs almost no code:
 * it starts the isolates, starts them again when they die, and passes signals on. State is on disk,
 * so a restart of `cri` is a restore.
 *
 * @returns The exit code.
 */
export async function supervise(
  config: Config,
  installation: Installation,
  reload: Reload,
): Promise<number> {
  releaseLargeBlocks();
  Deno.umask(UMASK);
  using supervisor = new Supervisor(config, installation, reload);
  return await supervisor.run();
}

/** Reads the configuration again: those keys of the running one change that can. */
export type Reload = (running: Config) => Promise<Reloaded>;

class Supervisor implements Disposable {
  #config: Config;
  readonly #reload: Reload;
  readonly #installation: Installation;
  readonly #pullers = new PullWorkers((id) => {
    this.#releaseMemorySoon();
    this.#toCri({ kind: "gone", id });
  });
  readonly #service: ServiceManager;
  readonly #exit = Promise.withResolvers<number>();
  #cri: Worker | undefined;
  #startedAt = 0;
  #restartMs = FIRST_RESTART_MS;
  #stopping = false;
  #everReady = false;
  #failures = 0;
  #memoryTimer: ReturnType<typeof setTimeout> | undefined;
  #restartTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #onSignal = () => this.#stop();
  /** One after the other. */
  #reloading: Promise<void> = Promise.resolve();
  /** What `cri` has not answered yet. */
  #applied: PromiseWithResolvers<void> | undefined;
  readonly #onReport = () => void reportCalls(this.#config.api.listen);
  readonly #onReload = () => {
    this.#reloading = this.#reloading.then(() => this.#reloadConfig());
  };

  constructor(config: Config, installation: Installation, reload: Reload) {
    this.#config = config;
    this.#reload = reload;
    this.#installation = installation;
    this.#service = new ServiceManager(
      serviceEnvironment(Deno.env, Deno.pid),
      (timeoutMs) => askSocket(config.api.listen, "/info", timeoutMs),
    );
  }

  async run(): Promise<number> {
    Deno.addSignalListener("SIGTERM", this.#onSignal);
    Deno.addSignalListener("SIGINT", this.#onSignal);
    Deno.addSignalListener("SIGHUP", this.#onReload);
    // CRI-O's signals for operators; without a listener they would end crid.
    Deno.addSignalListener("SIGUSR1", this.#onReport);
    Deno.addSignalListener("SIGUSR2", releaseFreeMemory);
    log.info("Registered SIGHUP reload watcher");
    this.#startCri();
    return await this.#exit.promise;
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGTERM", this.#onSignal);
    Deno.removeSignalListener("SIGINT", this.#onSignal);
    Deno.removeSignalListener("SIGHUP", this.#onReload);
    Deno.removeSignalListener("SIGUSR1", this.#onReport);
    Deno.removeSignalListener("SIGUSR2", releaseFreeMemory);
    clearTimeout(this.#restartTimer);
    clearTimeout(this.#memoryTimer);
    this.#service[Symbol.dispose]();
    this.#cri?.terminate();
    this.#pullers[Symbol.dispose]();
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
    const logging = logForWorker();
    const transfer = logging.port === undefined ? [] : [logging.port];
    this.#toCri({ kind: "start", config, installation, log: logging }, transfer);
  }

  #fromCri(message: FromCri): void {
    switch (message.kind) {
      case "ready":
        this.#everReady = true;
        this.#releaseMemorySoon();
        this.#service.ready(this.#serving());
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
        this.#pullers.release(message.id);
        if (this.#pullers.size === 0) this.#releaseMemorySoon();
        break;
      case "reloaded":
        if (message.message === undefined) this.#applied?.resolve();
        else this.#applied?.reject(new Error(message.message));
        break;
      case "stopped":
        this.#exit.resolve(0);
        break;
    }
  }

  /** All of it or nothing: what is wrong with the files leaves everything as it was. */
  async #reloadConfig(): Promise<void> {
    log.info("Reloading configuration");
    this.#service.reloading();
    try {
      const { config, changes } = await this.#reload(this.#config);
      await this.#apply(config);
      this.#config = config;
      for (const change of changes) log.info(change);
      setLogLevel({ level: config.runtime.log_level, filter: config.runtime.log_filter });
      log.info("Configuration reload completed");
      log.info(`Current crid configuration:\n${printToml(config, { for: "log" })}`);
      this.#service.ready(this.#serving());
    } catch (error) {
      const failure = `Unable to reload configuration: ${errorMessage(error)}`;
      log.error(failure);
      this.#service.ready(`${this.#serving()}. ${failure}`);
    }
  }

  /** One that has died and is about to be started again begins with it. */
  async #apply(config: Config): Promise<void> {
    if (this.#cri === undefined) return;
    this.#applied = Promise.withResolvers();
    this.#toCri({ kind: "reload", config });
    await this.#applied.promise;
  }

  #serving(): string {
    return `Serving on ${this.#config.api.listen}`;
  }

  #restartCri(why: string): void {
    this.#applied?.reject(new Error(`the cri isolate has died (${why})`));
    this.#cri?.terminate();
    this.#cri = undefined;
    this.#pullers[Symbol.dispose]();
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
    this.#restartTimer = setTimeout(() => this.#startCri(), this.#restartMs);
    this.#restartMs = Math.min(this.#restartMs * 2, LONGEST_RESTART_MS);
  }

  /** Starts an isolate for a pull and connects it with `cri`. */
  #startPuller(id: number, role: PullRole): void {
    const { version } = this.#installation;
    const start = { config: this.#config, version, log: logForWorker() };
    const port = this.#pullers.start(id, role, start);
    this.#toCri({ kind: "isolate", id, port }, [port]);
  }

  #releaseMemorySoon(): void {
    clearTimeout(this.#memoryTimer);
    this.#memoryTimer = setTimeout(releaseFreeMemory, SETTLED_MS);
    Deno.unrefTimer(this.#memoryTimer);
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
    // One that has died and waits for its restart has nothing to finish.
    if (this.#cri === undefined) return this.#exit.resolve(0);
    this.#toCri({ kind: "stop" });
    setTimeout(() => {
      log.warn(`not shut down after ${SHUTDOWN_MS / 1000} s; the next start restores what is left`);
      this.#exit.resolve(0);
    }, SHUTDOWN_MS);
  }
}
