import { setTimeout as pause } from "node:timers/promises";
import { abortable, deadline, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { chainStatus } from "./chain.ts";
import type { NetworkConfig } from "./configuration.ts";
import type { PluginHost } from "./plugin.ts";
import type { NetworkStatus } from "./types.ts";

/** Plugins come without an event, and STATUS changes without one; CRI-O looks as often. */
const LOOK_AGAIN_MS = 500;
/** An answer to STATUS is good for so long: it costs a process per plugin. */
const STATUS_FRESH_MS = 5_000;

const READY: NetworkStatus = { ready: true, reason: "", message: "" };

/** What {@linkcode Readiness} asks and how patient it is. */
export interface ReadinessOptions {
  /** Throws what is missing. */
  readonly select: () => NetworkConfig;
  /** Resolves when the configuration has changed, or `signal` has aborted. */
  readonly changed: (signal: AbortSignal) => Promise<void>;
  readonly host: PluginHost;
  readonly statusLimitMs: number;
  readonly gracePeriodMs: number | undefined;
}

/** Whether pods can get a network now. */
export class Readiness implements Disposable {
  readonly #options: ReadinessOptions;
  readonly #closed = new AbortController();
  #asked: { config: NetworkConfig; at: number; answer: Promise<void> } | undefined;
  #lastReady: number | undefined;
  /** What the log has been told. */
  #told: "healthy" | "failing" | "unhealthy" = "healthy";

  constructor(options: ReadinessOptions) {
    this.#options = options;
    if (options.gracePeriodMs === undefined) return;
    const isContinuous = options.gracePeriodMs > 0;
    log.info(`Continuous CNI STATUS monitoring ${isContinuous ? "enabled" : "is disabled"}`);
    if (isContinuous) void this.#monitor();
  }

  /** The condition, with CRI-O's words for a network that is not there. */
  async status(): Promise<NetworkStatus> {
    try {
      await this.#ask(this.#options.select());
      this.#lastReady = performance.now();
      if (this.#told !== "healthy") log.info("CNI plugin is now healthy");
      this.#told = "healthy";
      return READY;
    } catch (error) {
      return this.#judge(errorMessage(error));
    }
  }

  /** Waits until {@linkcode Readiness.status} says ready. */
  async ready(caller?: AbortSignal): Promise<void> {
    const either = caller === undefined
      ? this.#closed.signal
      : AbortSignal.any([caller, this.#closed.signal]);
    for (;;) {
      either.throwIfAborted();
      const looked = new AbortController();
      const { signal } = looked;
      const changed = this.#options.changed(signal);
      try {
        if ((await this.status()).ready) return;
        const soon = pause(LOOK_AGAIN_MS, undefined, { signal }).catch(() => {});
        await abortable(Promise.race([changed, soon]), either);
      } finally {
        looked.abort();
      }
    }
  }

  [Symbol.dispose](): void {
    this.#closed.abort();
  }

  /** For the log, and so that the grace period begins also while nobody asks. */
  async #monitor(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      await this.status();
      await pause(STATUS_FRESH_MS, undefined, { signal, ref: false }).catch(() => {});
    }
  }

  /** Plugins of CNI 1.1 are asked themselves, all who want to know share one question. */
  #ask(config: NetworkConfig): Promise<void> {
    const asked = this.#asked;
    const now = performance.now();
    if (asked?.config === config && now - asked.at < STATUS_FRESH_MS) return asked.answer;
    const answer = this.#askPlugins(config);
    // Whoever waits gets the failure; without anybody it is none of the isolate's.
    answer.catch(() => {});
    this.#asked = { config, at: now, answer };
    return answer;
  }

  async #askPlugins(config: NetworkConfig): Promise<void> {
    using limit = deadline("CNI STATUS", this.#options.statusLimitMs, this.#closed.signal);
    await chainStatus(config, this.#options.host, limit.signal);
  }

  #judge(message: string): NetworkStatus {
    const since = this.#lastReady;
    const grace = this.#options.gracePeriodMs;
    if (since !== undefined && grace !== undefined) {
      if (grace === 0) return READY;
      const isWithin = performance.now() - since < grace;
      this.#tell(isWithin ? "failing" : "unhealthy", message);
      if (isWithin) return READY;
    }
    return {
      ready: false,
      reason: "NetworkPluginNotReady",
      message: `Network plugin returns error: ${message}`,
    };
  }

  #tell(state: "failing" | "unhealthy", message: string): void {
    if (this.#told === state) return;
    this.#told = state;
    if (state === "unhealthy") log.error(`CNI plugin unhealthy beyond grace period: ${message}`);
    else {
      log.warn(
        `CNI plugin status check failed, will report unhealthy after grace period: ${message}`,
      );
    }
  }
}
