/**
 * The life of a pod with one container as a kubelet leads it, one call at a time, with the retries of
 * a kubelet: the same request again after a failure, the next attempt for a container that is spent.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type CallOptions,
  containerConfig,
  type Crid,
  execShell,
  podConfig,
} from "../harness/mod.ts";
import { ContainerState, NamespaceMode, PodSandboxState } from "../../src/gen/runtime/v1/api.ts";

/** The calls of a life, in their order. */
export const CALLS = [
  "runPodSandbox",
  "createContainer",
  "startContainer",
  "execSync",
  "updateContainerResources",
  "stopContainer",
  "removeContainer",
  "stopPodSandbox",
  "removePodSandbox",
] as const;

export type CallName = typeof CALLS[number];

/** What no later call needs to have been made. */
const BY_THE_WAY: readonly CallName[] = ["execSync", "updateContainerResources"];
const OPTIONAL: readonly CallName[] = [...BY_THE_WAY, "stopContainer", "removeContainer"];

/** What sort of pod: one that shares a PID namespace has an infra process. */
export type PodKind = "plain" | "shared PIDs";

export class Life {
  readonly #crid: Crid;
  readonly #pod: ReturnType<typeof podConfig>;
  readonly #pid: NamespaceMode;
  #attempt = 0;
  #podId = "";
  #containerId = "";

  constructor(crid: Crid, kind: PodKind) {
    this.#crid = crid;
    this.#pid = kind === "plain" ? NamespaceMode.CONTAINER : NamespaceMode.POD;
    this.#pod = podConfig(crid, {
      portMappings: [{ containerPort: 80, hostPort: 30080 }],
      linux: { securityContext: { namespaceOptions: { pid: this.#pid } } },
    });
  }

  /** The calls before `call` that it needs; they have to succeed. */
  async until(call: CallName): Promise<void> {
    const needed = CALLS.slice(0, CALLS.indexOf(call)).filter((name) => !BY_THE_WAY.includes(name));
    for (const name of needed) await this.do(name);
  }

  /** From `call` to the end of the pod; every call has to succeed, as the retry of a failed one too. */
  async from(call: CallName): Promise<void> {
    await this.makeReady(call);
    await this.do(call);
    await this.after(call);
  }

  /** What a pod needs to live and to go after `call`; it has to succeed. */
  async after(call: CallName): Promise<void> {
    const later = CALLS.slice(CALLS.indexOf(call) + 1).filter((name) => !OPTIONAL.includes(name));
    for (const name of later) await this.do(name);
  }

  /** One call. */
  async do(call: CallName, options?: CallOptions): Promise<void> {
    const { runtime } = this.#crid.client;
    const container = { containerId: this.#containerId };
    const pod = { podSandboxId: this.#podId };
    switch (call) {
      case "runPodSandbox": {
        const answer = await runtime.runPodSandbox({ config: this.#pod }, options);
        this.#podId = answer.podSandboxId;
        await this.#podIs(PodSandboxState.SANDBOX_READY);
        break;
      }
      case "createContainer": {
        const config = containerConfig({
          metadata: { name: "main", attempt: this.#attempt },
          linux: { securityContext: { namespaceOptions: { pid: this.#pid } } },
        });
        const request = { ...pod, config, sandboxConfig: this.#pod };
        this.#containerId = (await runtime.createContainer(request, options)).containerId;
        await this.#containerIs(ContainerState.CONTAINER_CREATED);
        break;
      }
      case "startContainer":
        await runtime.startContainer(container, options);
        await this.#containerIs(ContainerState.CONTAINER_RUNNING);
        break;
      case "execSync": {
        const { stdout } = await runtime.execSync(
          { ...container, cmd: ["echo", "hello"], timeout: 20n },
          options,
        );
        assert.equal(new TextDecoder().decode(stdout), "hello\n");
        break;
      }
      case "updateContainerResources":
        await runtime.updateContainerResources(
          { ...container, linux: { cpuShares: 512n } },
          options,
        );
        break;
      case "stopContainer":
        await runtime.stopContainer({ ...container, timeout: 0n }, options);
        await this.#containerIs(ContainerState.CONTAINER_EXITED);
        break;
      case "removeContainer":
        await runtime.removeContainer(container, options);
        assert.deepEqual((await runtime.listContainers()).containers, []);
        break;
      case "stopPodSandbox":
        await runtime.stopPodSandbox(pod, options);
        await this.#podIs(PodSandboxState.SANDBOX_NOTREADY);
        break;
      case "removePodSandbox":
        await runtime.removePodSandbox(pod, options);
        assert.deepEqual((await runtime.listPodSandbox()).items, []);
        break;
    }
  }

  /** Nothing half made is listed. */
  async nothingHalfMade(call: CallName): Promise<void> {
    const { runtime } = this.#crid.client;
    if (call === "runPodSandbox") {
      assert.deepEqual((await runtime.listPodSandbox()).items, []);
    }
    if (call === "createContainer") {
      assert.deepEqual((await runtime.listContainers()).containers, []);
    }
  }

  /** Whether the container still runs commands. */
  async works(): Promise<void> {
    const { stdout } = await execShell(this.#crid, this.#containerId, "echo here");
    assert.equal(stdout, "here\n");
  }

  /** What a kubelet does before it repeats a call that has failed. */
  async makeReady(call: CallName): Promise<void> {
    if (!["startContainer", "execSync", "updateContainerResources"].includes(call)) return;
    const { runtime } = this.#crid.client;
    const { containers } = await runtime.listContainers({ filter: { id: this.#containerId } });
    const state = containers[0]?.state;
    const wanted = call === "startContainer"
      ? ContainerState.CONTAINER_CREATED
      : ContainerState.CONTAINER_RUNNING;
    if (state === wanted) return;
    if (state === ContainerState.CONTAINER_RUNNING) return;
    await runtime.removeContainer({ containerId: this.#containerId });
    this.#attempt++;
    await this.do("createContainer");
    if (call !== "startContainer") await this.do("startContainer");
  }

  async #podIs(state: PodSandboxState): Promise<void> {
    const answer = await this.#crid.client.runtime.podSandboxStatus({ podSandboxId: this.#podId });
    assert.equal(answer.status?.state, state);
  }

  async #containerIs(state: ContainerState): Promise<void> {
    const { status } = await this.#crid.client.runtime.containerStatus({
      containerId: this.#containerId,
    });
    assert.equal(status?.state, state, `${status?.reason}: ${status?.message}`);
  }
}
