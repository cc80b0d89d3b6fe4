import { CridError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { Container } from "./container.ts";
import { makeContainer } from "./container_create.ts";
import { removeContainer } from "./container_remove.ts";
import type { PodContext } from "./context.ts";
import { Creations } from "./creations.ts";
import { containerName, sandboxName } from "./names.ts";
import type { Sandbox } from "./sandbox.ts";
import { makeSandbox } from "./sandbox_create.ts";
import { removeSandbox } from "./sandbox_stop.ts";
import type { ContainerConfig, SandboxConfig } from "./types.ts";

/**
 * RunPodSandbox and CreateContainer as clients repeat them: under one name only one thing is made. It
 * becomes visible when a client hears of it, and goes when none asks again.
 */
export class NamedCreations implements AsyncDisposable {
  readonly #context: PodContext;
  readonly #sandboxes: Creations;
  readonly #containers: Creations;

  constructor(context: PodContext) {
    const { sandboxes, containers, emit } = context;
    this.#context = context;
    this.#sandboxes = new Creations({
      claim: (id) => {
        const sandbox = sandboxes.get(id);
        if (sandbox.visible) return;
        sandbox.visible = true;
        emit("created", sandbox, sandbox);
        emit("started", sandbox, sandbox);
      },
      abandon: (id) => abandon(context, sandboxes.find(id), removeSandbox),
    });
    this.#containers = new Creations({
      claim: (id) => {
        const container = containers.get(id);
        if (container.visible) return;
        container.visible = true;
        emit("created", container.parts.sandbox, container);
      },
      abandon: (id) => abandon(context, containers.find(id), removeContainer),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const creations of [this.#sandboxes, this.#containers]) {
      await creations.settled();
      creations[Symbol.dispose]();
    }
  }

  /** @returns The sandbox's id. */
  runSandbox(config: SandboxConfig, runtimeHandler: string, signal: AbortSignal): Promise<string> {
    const context = this.#context;
    const name = sandboxName(config.metadata);
    return this.#sandboxes.join(name, signal, async () => {
      const existing = context.names.get(name);
      if (existing !== undefined) return existing;
      await context.leftovers.settle(name);
      const sandbox = await makeSandbox(context, config, runtimeHandler);
      context.sandboxes.add(sandbox);
      context.names.set(name, sandbox.id);
      return sandbox.id;
    });
  }

  /** @returns The container's id. */
  createContainer(
    sandbox: Sandbox,
    config: ContainerConfig,
    signal: AbortSignal,
  ): Promise<string> {
    const context = this.#context;
    const name = containerName(config.metadata, sandbox.parts.config.metadata);
    // The name tells the pod but not which of its sandboxes, and the kubelet goes on to the next one.
    return this.#containers.join(`${name} in ${sandbox.id}`, signal, async () => {
      const existing = madeBefore(context, name, sandbox);
      if (existing !== undefined) return existing.id;
      await context.leftovers.settle(name);
      return (await makeContainer(context, sandbox, config)).id;
    });
  }
}

/**
 * The container of that name, for a client that has not heard of it.
 *
 * @throws {CridError} `already_exists` when it is in another sandbox of the pod.
 */
function madeBefore(
  { names, containers }: PodContext,
  name: string,
  sandbox: Sandbox,
): Container | undefined {
  const id = names.get(name);
  const container = id === undefined ? undefined : containers.find(id);
  if (container === undefined || container.parts.sandbox === sandbox) return container;
  throw new CridError(
    "already_exists",
    `container ${name} is there as ${container.id}, in pod sandbox ${container.parts.sandbox.id}: ` +
      "remove that first",
  );
}

async function abandon<T extends { readonly id: string; readonly visible: boolean }>(
  context: PodContext,
  thing: T | undefined,
  remove: (context: PodContext, thing: T) => Promise<void>,
): Promise<void> {
  if (thing === undefined || thing.visible) return;
  log.info(`Nobody has asked again for ${thing.id}, removing it`, { id: thing.id });
  await remove(context, thing);
}
