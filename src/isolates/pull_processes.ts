import type { CgroupDriver } from "../cgroup/mod.ts";
import type { Config } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import type { PullIsolates } from "../image/mod.ts";
import { log } from "../observe/mod.ts";
import type { FromCri } from "./messages.ts";
import { registryReads, SupervisedPullIsolates } from "./pull_isolates.ts";
import { channelIn, PullProcess } from "./pull_process.ts";

/** What pulls in other cgroups need. */
export interface PullProcessesOptions {
  readonly config: () => Config;
  readonly version: string;
  readonly cgroups: CgroupDriver;
  /** Where pulls run for which the setting names no cgroup. */
  readonly inProcess: PullIsolates;
}

/**
 * Pulls in the cgroup that `separate_pull_cgroup` names: one process for each cgroup, which is started
 * when something is pulled there and ends when its isolates do.
 */
export class PullProcesses implements AsyncDisposable {
  readonly #options: PullProcessesOptions;
  readonly #setting: string;
  readonly #places = new Map<string, PullPlace>();

  /** @throws {CridError} `invalid_argument` for a setting that the cgroup driver cannot follow. */
  constructor(setting: string, options: PullProcessesOptions) {
    this.#setting = setting;
    this.#options = options;
    options.cgroups.pullPath(setting, "", 0);
  }

  /** The isolates for pulls of pods below this cgroup parent; `""` for images of no pod. */
  isolatesIn(cgroupParent: string): PullIsolates {
    const ofPods = this.#setting === "pod";
    if (ofPods && cgroupParent === "") return this.#options.inProcess;
    const key = ofPods ? cgroupParent : "";
    let place = this.#places.get(key);
    if (place === undefined) {
      place = new PullPlace(this.#setting, key, this.#options, () => this.#places.delete(key));
      this.#places.set(key, place);
    }
    return place.isolates;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#places.values(), (place) => place[Symbol.asyncDispose]()));
  }
}

/** The process for one cgroup, while there is one. */
class PullPlace implements AsyncDisposable {
  readonly isolates: SupervisedPullIsolates;
  readonly #setting: string;
  readonly #parent: string;
  readonly #options: PullProcessesOptions;
  readonly #onIdle: () => void;
  readonly #ids = new Set<number>();
  #starting: Promise<PullProcess> | undefined;
  #process: PullProcess | undefined;

  constructor(
    setting: string,
    parent: string,
    options: PullProcessesOptions,
    onIdle: () => void,
  ) {
    this.#setting = setting;
    this.#parent = parent;
    this.#options = options;
    this.#onIdle = onIdle;
    this.isolates = new SupervisedPullIsolates(
      (message) => this.#fromIsolates(message),
      navigator.hardwareConcurrency,
      () => channelIn(() => this.#process),
    );
    this.isolates.renewOn(() => registryReads(options.config()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
  }

  #fromIsolates(message: FromCri): void {
    if (message.kind === "need") void this.#startIsolate(message);
    if (message.kind === "release") this.#release(message.id);
  }

  async #startIsolate({ id, role }: Extract<FromCri, { kind: "need" }>): Promise<void> {
    this.#ids.add(id);
    const starting = this.#starting ??= this.#startProcess();
    try {
      const process = await starting;
      this.isolates.started(id, process.startIsolate(id, role, this.#options.config()));
    } catch (error) {
      if (this.#starting === starting) this.#starting = undefined;
      this.#ids.delete(id);
      this.isolates.failed(id, error);
    }
  }

  #release(id: number): void {
    this.#ids.delete(id);
    this.#process?.releaseIsolate(id);
    if (this.#ids.size === 0) void this.#end();
  }

  async #startProcess(): Promise<PullProcess> {
    const { cgroups, version } = this.#options;
    const process = await PullProcess.start({
      version,
      place: async (pid) => {
        const cgroup = cgroups.pullPath(this.#setting, this.#parent, pid);
        await cgroups.place(cgroup, pid);
        log.debug("pulling in a cgroup of its own", { cgroup, pid });
      },
      onGone: (id) => this.isolates.gone(id),
      onEnd: (pid) => this.#over(pid),
    });
    this.#process = process;
    return process;
  }

  /** Its isolates have ended with it; the next pull gets another process. */
  #over(pid: number): void {
    void removeCgroup(this.#options.cgroups, this.#setting, this.#parent, pid);
    if (this.#process?.pid !== pid) return;
    this.#process = this.#starting = undefined;
    for (const id of this.#ids) this.isolates.gone(id);
    this.#ids.clear();
  }

  async #end(): Promise<void> {
    this.#onIdle();
    const starting = this.#starting;
    this.#process = this.#starting = undefined;
    const process = await starting?.catch(() => undefined);
    await process?.[Symbol.asyncDispose]();
  }
}

async function removeCgroup(
  cgroups: CgroupDriver,
  setting: string,
  parent: string,
  pid: number,
): Promise<void> {
  const cgroup = cgroups.pullPath(setting, parent, pid);
  try {
    await cgroups.remove(cgroup);
  } catch (error) {
    log.debug(`remove cgroup ${cgroup}: ${errorMessage(error)}`);
  }
}
