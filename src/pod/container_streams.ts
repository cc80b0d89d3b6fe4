import { CridError } from "../failure/mod.ts";
import { attach, type CommandStreams, execStream, type WantedStreams } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import { containerHandler } from "./container_handler.ts";
import type { PodContext } from "./context.ts";

/**
 * Makes sure that a command can be started in a container.
 *
 * @throws {CridError} `not_found` when it does not run, `failed_precondition` when it is being killed.
 */
export function requireExec(container: Container): void {
  requireProcess(container);
  if (!container.killing) return;
  throw new CridError(
    "failed_precondition",
    `cannot start exec: container ${container.id} is being killed`,
  );
}

/** @throws {CridError} `not_found` when the container has no process. */
export function requireProcess({ id, state }: Container): void {
  if (state === "running" || state === "created") return;
  throw new CridError("not_found", `container is not created or running: ${id} is ${state}`);
}

/**
 * Starts a command in a container, connected to its streams. It does not outlive the container's own
 * process, also where they share a PID namespace with others.
 */
export function execStreams(
  context: PodContext,
  container: Container,
  command: readonly string[],
  wanted: WantedStreams,
): CommandStreams {
  requireExec(container);
  const { id } = container;
  const streams = execStream({
    id,
    ...wanted,
    handler: containerHandler(context, container),
    bundle: context.store.containerRunDir(id),
    spec: container.spec,
    args: command,
  });
  track(container, streams);
  return streams;
}

/** Commands that run, by container. */
const running = new WeakMap<Container, Set<CommandStreams>>();

/** Kills a command when its container exits; of those that have ended nothing is kept. */
function track(container: Container, streams: CommandStreams): void {
  const known = running.get(container);
  const commands = known ?? new Set();
  commands.add(streams);
  const forget = () => void commands.delete(streams);
  streams.ended.then(forget, forget);
  if (known !== undefined) return;
  running.set(container, commands);
  container.exited.then(() => commands.forEach((command) => command.kill()));
}

/** Connects with the streams of a container's own process. */
export function attachStreams(
  context: PodContext,
  container: Container,
  wanted: WantedStreams,
): CommandStreams {
  requireProcess(container);
  const { id } = container;
  const { stdin, stdinOnce, tty } = container.parts.config;
  return attach({
    id,
    ...wanted,
    stdin: wanted.stdin && stdin,
    // The input of a terminal ends only when the person has left it, by crictl's detach keys.
    leaveAfterInput: !stdinOnce || tty,
    handler: containerHandler(context, container),
    bundle: context.store.containerRunDir(id),
    attachDir: context.options.attachDir,
  });
}
