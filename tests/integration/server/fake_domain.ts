/**
 * A domain without a kernel behind it: it remembers what it is asked for and answers from memory, so
 * that tests of the server see how requests and answers are translated.
 *
 * @module
 */
import { CridError } from "../../../src/failure/mod.ts";
import type { Image, PullRequest } from "../../../src/image/mod.ts";
import type { ServedImages } from "../../../src/server/mod.ts";
import type {
  ContainerConfig,
  ContainerEvent,
  ContainerFilter,
  ContainerState,
  ContainerStatsEntry,
  ContainerStatus,
  Pods,
  SandboxConfig,
  SandboxFilter,
  SandboxState,
  SandboxStatsEntry,
  SandboxStatus,
} from "../../../src/pod/mod.ts";
import type { LinuxResources } from "../../../src/oci/mod.ts";

/** What a call of the fake was given, for assertions. */
export interface Asked {
  readonly call: string;
  readonly args: readonly unknown[];
}

const LINE = { avg10: 0.5, avg60: 0.25, avg300: 0.125, total: 3n };

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class FakePods implements Pods {
  readonly asked: Asked[] = [];
  readonly sandboxRecords = new Map<string, Mutable<SandboxStatus>>();
  readonly containerRecords = new Map<string, Mutable<ContainerStatus>>();
  readonly cgroupDriver = "cgroupfs";
  /** When set, runSandbox waits until the signal aborts and reports why. */
  hang: ((reason: unknown) => void) | undefined;
  /** What every changing call throws, when set. */
  failure: unknown;
  #serial = 0;
  #publish: ((event: ContainerEvent) => void) | undefined;
  #pending: ContainerEvent[] = [];

  #note(call: string, ...args: unknown[]): void {
    this.asked.push({ call, args });
    if (this.failure !== undefined) throw this.failure;
  }

  #id(): string {
    return (++this.#serial).toString(16).padStart(64, "0").split("").reverse().join("");
  }

  runSandbox(config: SandboxConfig, handler: string, signal: AbortSignal): Promise<string> {
    this.#note("runSandbox", config, handler);
    const { hang } = this;
    if (hang !== undefined) {
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          hang(signal.reason);
          reject(signal.reason);
        });
      });
    }
    const id = this.#id();
    this.sandboxRecords.set(id, {
      id,
      metadata: config.metadata,
      state: "ready",
      createdAt: 1_700_000_000_123_456_789n,
      labels: config.labels,
      annotations: config.annotations,
      runtimeHandler: handler,
      ips: ["10.1.2.3", "fd00::3"],
      namespaces: config.security.namespaces,
      info: {
        info: JSON.stringify({
          pid: 0,
          runtimeSpec: { annotations: { "io.kubernetes.cri-o.Name": "k8s_POD_x" } },
        }),
      },
    });
    return Promise.resolve(id);
  }

  async stopSandbox(id: string): Promise<void> {
    this.#note("stopSandbox", id);
    const found = this.#find(this.sandboxRecords, id);
    if (found) found.state = "notready";
    await Promise.resolve();
  }

  async removeSandbox(id: string): Promise<void> {
    this.#note("removeSandbox", id);
    const found = this.#find(this.sandboxRecords, id);
    if (found) this.sandboxRecords.delete(found.id);
    await Promise.resolve();
  }

  sandboxStatus(id: string): Promise<SandboxStatus> {
    return Promise.resolve().then(() => this.#need(this.sandboxRecords, "sandbox", id));
  }

  sandboxes(filter: SandboxFilter): readonly SandboxStatus[] {
    return [...this.sandboxRecords.values()].filter((it) => matches(it, filter));
  }

  createContainer(sandboxId: string, config: ContainerConfig): Promise<string> {
    this.#note("createContainer", sandboxId, config);
    const sandbox = this.#need(this.sandboxRecords, "sandbox", sandboxId);
    const id = this.#id();
    this.containerRecords.set(id, {
      id,
      sandboxId: sandbox.id,
      metadata: config.metadata,
      state: "created",
      createdAt: 1_700_000_001_000_000_001n,
      image: config.image,
      userSpecifiedImage: config.userSpecifiedImage,
      imageId: "ab".repeat(32),
      imageRef: `docker.io/library/busybox@sha256:${"ef".repeat(32)}`,
      imageName: "docker.io/library/busybox:latest",
      labels: config.labels,
      annotations: config.annotations,
      runtimeHandler: sandbox.runtimeHandler,
      startedAt: 0n,
      finishedAt: 0n,
      exitCode: 0,
      reason: "",
      message: "",
      mounts: config.mounts,
      logPath: "/var/log/pods/x/" + config.logPath,
      resources: config.resources,
      user: { uid: 1000, gid: 1001, groups: [1001, 2000] },
      stopSignal: config.stopSignal || "SIGTERM",
      info: {
        info: JSON.stringify({
          pid: 4711,
          runtimeSpec: {
            annotations: {
              "io.kubernetes.cri-o.Name": "k8s_c_p_n_u_0",
              "io.kubernetes.cri-o.MountPoint": "/var/lib/containers/storage/overlay/x/merged",
            },
          },
        }),
      },
    });
    return Promise.resolve(id);
  }

  async startContainer(id: string): Promise<void> {
    this.#note("startContainer", id);
    const container = this.#need(this.containerRecords, "container", id);
    container.state = "running";
    container.startedAt = 1_700_000_002_000_000_000n;
    await Promise.resolve();
  }

  async stopContainer(id: string, timeout: number): Promise<void> {
    this.#note("stopContainer", id, timeout);
    const found = this.#find(this.containerRecords, id);
    if (found) {
      Object.assign(found, {
        state: "exited",
        exitCode: 137,
        reason: "Error",
        finishedAt: 1_700_000_003_000_000_000n,
      });
    }
    await Promise.resolve();
  }

  async removeContainer(id: string): Promise<void> {
    this.#note("removeContainer", id);
    const found = this.#find(this.containerRecords, id);
    if (found) this.containerRecords.delete(found.id);
    await Promise.resolve();
  }

  containerStatus(id: string): Promise<ContainerStatus> {
    return Promise.resolve().then(() => this.#need(this.containerRecords, "container", id));
  }

  containers(filter: ContainerFilter): readonly ContainerStatus[] {
    return [...this.containerRecords.values()].filter((it) =>
      matches(it, filter) &&
      (filter.sandboxId === undefined || it.sandboxId.startsWith(filter.sandboxId))
    );
  }

  updateContainerResources(id: string, resources: LinuxResources): Promise<void> {
    this.#note("updateContainerResources", id, resources);
    return Promise.resolve();
  }

  updateSandboxResources(
    id: string,
    overhead: LinuxResources | undefined,
    resources: LinuxResources | undefined,
  ): Promise<void> {
    this.#note("updateSandboxResources", id, overhead, resources);
    this.#need(this.sandboxRecords, "pod sandbox", id);
    return Promise.resolve();
  }

  execSync(id: string, command: readonly string[], timeout: number) {
    this.#note("execSync", id, command, timeout);
    this.#need(this.containerRecords, "container", id);
    const output = (text: string) => new TextEncoder().encode(text);
    return Promise.resolve({ exitCode: 0, stdout: output("out\n"), stderr: output("") });
  }

  reopenContainerLog(id: string): Promise<void> {
    this.#note("reopenContainerLog", id);
    return Promise.resolve();
  }

  pauseContainer(id: string): Promise<void> {
    this.#note("pauseContainer", id);
    return Promise.resolve();
  }

  unpauseContainer(id: string): Promise<void> {
    this.#note("unpauseContainer", id);
    return Promise.resolve();
  }

  metrics(groups: readonly string[]) {
    this.#note("metrics", groups);
    return Promise.resolve([]);
  }

  imageUser(): string | undefined {
    return undefined;
  }

  // The server has no part in streams but to hand their URLs on: nobody may ask for these.
  requireExec(_id: string): string {
    throw new Error("the server opens no streams");
  }
  exec(): never {
    throw new Error("the server opens no streams");
  }
  requireAttach(id: string): string {
    return this.requireExec(id);
  }
  attach(): never {
    return this.exec();
  }
  requirePorts(id: string): string {
    return this.requireExec(id);
  }
  connect(): Promise<never> {
    return this.exec();
  }

  async containerStats(id: string): Promise<ContainerStatsEntry> {
    const container = await this.containerStatus(id);
    const timestamp = 1_700_000_004_000_000_000n;
    const usage: ContainerStatsEntry["usage"] = {
      cpu: {
        timestamp,
        usageNanoseconds: 5_000_000_000n,
        userNanoseconds: 3n,
        systemNanoseconds: 2n,
        periods: 0,
        throttledPeriods: 0,
        throttledNanoseconds: 0n,
        usageNanoCores: 250_000_000,
      },
      memory: {
        timestamp,
        usage: 3000,
        limit: 10_000,
        workingSet: 2000,
        rss: 1500,
        cache: 500,
        swapUsage: 0,
        swapLimit: 0,
        pageFaults: 7,
        majorPageFaults: 1,
        available: 8000,
      },
      writableLayer: { timestamp, mountpoint: "/store/upper", usedBytes: 4096, inodesUsed: 3 },
      pids: 2,
      pressure: { cpu: undefined, memory: undefined, io: { some: LINE, full: LINE } },
    };
    return { container, usage };
  }

  async listContainerStats(filter: ContainerFilter) {
    return await Promise.all(this.containers(filter).map(({ id }) => this.containerStats(id)));
  }

  async sandboxStats(id: string): Promise<SandboxStatsEntry> {
    const sandbox = await this.sandboxStatus(id);
    const network = {
      rxBytes: 10,
      rxErrors: 0,
      txBytes: 20,
      txErrors: 0,
      rxPackets: 1,
      txPackets: 2,
      rxDropped: 0,
      txDropped: 0,
    };
    return {
      sandbox,
      usage: {
        cpu: undefined,
        memory: undefined,
        interfaces: [{ name: "eth0", ...network }, { name: "net1", ...network }],
        processCount: 3,
      },
      containers: await this.listContainerStats({ sandboxId: sandbox.id }),
    };
  }

  async listSandboxStats(filter: SandboxFilter) {
    return await Promise.all(this.sandboxes(filter).map(({ id }) => this.sandboxStats(id)));
  }

  /** Puts an event into the stream of the reader there is. */
  emit(event: ContainerEvent): void {
    if (this.#publish === undefined) this.#pending.push(event);
    else this.#publish(event);
  }

  async *events(signal: AbortSignal): AsyncGenerator<ContainerEvent> {
    this.#note("events");
    while (!signal.aborted) {
      const event = this.#pending.shift();
      if (event !== undefined) {
        yield event;
        continue;
      }
      await new Promise<void>((resolve) => {
        this.#publish = (next) => {
          this.#pending.push(next);
          resolve();
        };
        signal.addEventListener("abort", () => resolve(), { once: true });
      });
      this.#publish = undefined;
    }
    this.asked.push({ call: "events ended", args: [signal.reason] });
  }

  conditions() {
    return Promise.resolve([
      { type: "RuntimeReady", status: true, reason: "", message: "" },
      {
        type: "NetworkReady",
        status: false,
        reason: "NetworkPluginNotReady",
        message: "no CNI configuration",
      },
    ]);
  }

  handlers() {
    return [
      { name: "crun", recursiveReadonlyMounts: true, userNamespaces: true },
      { name: "runc", recursiveReadonlyMounts: true, userNamespaces: false },
      { name: "", recursiveReadonlyMounts: true, userNamespaces: true },
    ];
  }

  handlersInUse() {
    return new Set(["runc"]);
  }

  updateRuntimeConfig(podCidr: string): void {
    this.#note("updateRuntimeConfig", podCidr);
  }

  #find<T extends { id: string }>(records: Map<string, T>, id: string): T | undefined {
    return [...records.values()].find((record) => id !== "" && record.id.startsWith(id));
  }

  #need<T extends { id: string }>(records: Map<string, T>, what: string, id: string): T {
    const found = this.#find(records, id);
    if (found === undefined) throw new CridError("not_found", `${what} ${id} not found`);
    return found;
  }
}

function matches(
  record: { id: string; state: string; labels: Readonly<Record<string, string>> },
  filter: {
    id?: string;
    state?: SandboxState | ContainerState;
    labels?: Readonly<Record<string, string>>;
  },
): boolean {
  return (filter.id === undefined || record.id.startsWith(filter.id)) &&
    (filter.state === undefined || record.state === filter.state) &&
    Object.entries(filter.labels ?? {}).every(([key, value]) => record.labels[key] === value);
}

export const IMAGE: Image = {
  id: "ab".repeat(32),
  repoTags: ["docker.io/library/busybox:1"],
  repoDigests: [`docker.io/library/busybox@sha256:${"cd".repeat(32)}`],
  size: 4_300_000,
  uid: 1002,
  username: "",
  pinned: true,
  annotations: { "org.example": "yes" },
  config: {
    user: "1002",
    env: ["TOKEN=hunter2"],
    entrypoint: [],
    cmd: ["sh"],
    workingDir: "",
    stopSignal: "",
    volumes: [],
    labels: { maintainer: "me" },
    os: "linux",
    architecture: "amd64",
  },
  configJson: '{"config":{"Cmd":["sh"]},"os":"linux"}',
};

export class FakeImages implements ServedImages {
  readonly pulls: PullRequest[] = [];
  readonly removed: string[] = [];
  readonly images: Image[] = [IMAGE];

  pull(request: PullRequest): Promise<string> {
    this.pulls.push(request);
    return Promise.resolve(IMAGE.id);
  }

  find(reference: string): Promise<Image | undefined> {
    return Promise.resolve(
      this.images.find((image) =>
        image.id.startsWith(reference) || image.repoTags.some((tag) => tag.includes(reference))
      ),
    );
  }

  list(): Promise<readonly Image[]> {
    return Promise.resolve(this.images);
  }

  remove(reference: string): Promise<void> {
    this.removed.push(reference);
    return Promise.resolve();
  }

  fsUsage() {
    return Promise.resolve({
      images: { mountpoint: "/store/overlay-images", bytes: 123, inodes: 4 },
      containers: { mountpoint: "/store/overlay-containers", bytes: 56, inodes: 7 },
    });
  }
}
