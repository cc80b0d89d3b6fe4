import type { OciSpec, RuntimeHandler } from "../oci/mod.ts";
import type { Container } from "./container.ts";
import { findHandler, handlerNamed, type PodContext } from "./context.ts";

/** The runtime that was chosen by the image's platform; a restart finds it again by these. */
const NAMES = ["platform-runtime-path.crio.io", "io.kubernetes.cri-o.PlatformRuntimePath"] as const;

/** The handler for containers of an image: it may have another runtime for some platforms. */
export function platformHandler(
  handler: RuntimeHandler,
  { os, architecture }: { readonly os: string; readonly architecture: string },
): RuntimeHandler {
  const path = handler.platformPaths[`${os}/${architecture}`];
  return path === undefined ? handler : { ...handler, path };
}

/** Writes the choice into a spec's annotations, over whatever the pod has said there. */
export function annotateRuntime(
  annotations: OciSpec["annotations"],
  byPlatform: RuntimeHandler,
  handler: RuntimeHandler,
): void {
  for (const name of NAMES) {
    if (byPlatform === handler) delete annotations[name];
    else annotations[name] = byPlatform.path;
  }
}

/**
 * The handler that a container was made with.
 *
 * @throws {CridError} `invalid_argument` when it is configured no more.
 */
export function containerHandler(context: PodContext, container: Container): RuntimeHandler {
  return byPlatform(container, handlerNamed(context, container.parts.sandbox.parts.handler));
}

/** {@linkcode containerHandler}, or `undefined` when it is configured no more. */
export function findContainerHandler(
  context: PodContext,
  container: Container,
): RuntimeHandler | undefined {
  const handler = findHandler(context, container.parts.sandbox.parts.handler);
  return handler && byPlatform(container, handler);
}

function byPlatform({ spec }: Container, handler: RuntimeHandler): RuntimeHandler {
  const path = spec.annotations[NAMES[0]];
  return path === undefined ? handler : { ...handler, path };
}
