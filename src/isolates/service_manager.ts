import { errorMessage } from "../failure/mod.ts";
import { sendDatagram } from "../linux/mod.ts";
import { log } from "../observe/mod.ts";

/** What systemd has put into the environment of a service; sd_notify(3), sd_watchdog_enabled(3). */
export interface ServiceEnvironment {
  /** `NOTIFY_SOCKET`: a path, or `@name` for an abstract socket. */
  readonly socket: string | undefined;
  /** Milliseconds after which a silent service counts as stuck. */
  readonly watchdogMs: number | undefined;
}

/** Reads the environment; what was meant for another process is not for us. */
export function serviceEnvironment(
  env: { get(name: string): string | undefined },
  pid: number,
): ServiceEnvironment {
  const socket = env.get("NOTIFY_SOCKET") || undefined;
  const microseconds = Number(env.get("WATCHDOG_USEC") ?? "");
  const watched = env.get("WATCHDOG_PID") ?? String(pid);
  const usable = socket !== undefined && microseconds > 0 && watched === String(pid);
  return { socket, watchdogMs: usable ? microseconds / 1000 : undefined };
}

/**
 * Tells systemd how the service is. Without systemd it does nothing. Losing touch with it is logged
 * and harms nobody.
 */
export class ServiceManager implements Disposable {
  readonly #environment: ServiceEnvironment;
  readonly #healthy: (timeoutMs: number) => Promise<unknown>;
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /**
   * @param healthy Asked before the watchdog is told that all is well; rejects when it is not, or
   * when the time is up. A busy server gets much of the watchdog's patience, a dead one is found out.
   */
  constructor(environment: ServiceEnvironment, healthy: (timeoutMs: number) => Promise<unknown>) {
    this.#environment = environment;
    this.#healthy = healthy;
  }

  /**
   * The service serves, again after a reload; from the first time on the watchdog hears of it.
   *
   * @param status What `systemctl status` shows of it.
   */
  ready(status: string): void {
    this.#notify(`READY=1\nSTATUS=${status.replaceAll("\n", " ")}`);
    const { watchdogMs } = this.#environment;
    if (watchdogMs === undefined || this.#watchdog !== undefined) return;
    log.info(`Telling the watchdog of systemd every ${watchdogMs / 4000} s that all is well`);
    // A quarter of silence and half of waiting for an answer leave a quarter to spare.
    const again = () => {
      if (this.#stopped) return;
      const reassure = () => void this.#reassure(watchdogMs / 2).finally(again);
      this.#watchdog = setTimeout(reassure, watchdogMs / 4);
    };
    again();
  }

  /** The service reads its configuration again, until it is {@linkcode ServiceManager.ready}. */
  reloading(): void {
    this.#notify("RELOADING=1");
  }

  /** The service is about to end. */
  stopping(): void {
    this.#notify("STOPPING=1");
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    clearTimeout(this.#watchdog);
  }

  async #reassure(timeoutMs: number): Promise<void> {
    try {
      await this.#healthy(timeoutMs);
      this.#notify("WATCHDOG=1");
    } catch (error) {
      log.error(`not telling the watchdog that all is well: ${errorMessage(error)}`);
    }
  }

  #notify(state: string): void {
    const { socket } = this.#environment;
    if (socket === undefined) return;
    try {
      sendDatagram(socket, state);
    } catch (error) {
      log.warn(`tell systemd ${state}: ${errorMessage(error)}`);
    }
  }
}
