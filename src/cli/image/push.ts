import { CridError } from "../../failure/mod.ts";
import {
  exportImage,
  formatReference,
  type Image,
  type ImageDestination,
  openDestination,
  parseReference,
  parseTransport,
  type TransportName,
} from "../../image/mod.ts";
import { isOn, textOf, UsageError } from "../arguments.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { ProgressView } from "./progress.ts";
import { credentials, imageNamed, type ImageSession, openSession, operands } from "./session.ts";

/** `crid image push` */
export async function push(call: Call): Promise<number> {
  const [name = "", to] = operands(call, 1, 2);
  const target = to === undefined ? undefined : parseTransport(to);
  await using session = await openSession(call);
  const image = await imageNamed(session, name);
  const destination = target ?? { kind: "docker", reference: ownName(image, name) } as const;
  const title = `Pushing ${name} to ${to ?? ownName(image, name)}`;
  const digest = await write(
    call,
    session,
    destination,
    async (open) => await exportTo(call, session, image, open, names(image, name), title),
  );
  print(digest + "\n");
  return 0;
}

/** `crid image save` */
export async function save(call: Call): Promise<number> {
  const wanted = operands(call, 1);
  const path = textOf(call.given, "output") ?? "-";
  if (path === "-" && Deno.stdout.isTerminal()) {
    throw new UsageError("an archive is nothing for a terminal: use --output or redirect it");
  }
  const target = saveTarget(textOf(call.given, "format") ?? "oci-archive", path);
  await using session = await openSession(call);
  const images = await Promise.all(wanted.map((name) => imageNamed(session, name)));
  await write(call, session, target, async (open) => {
    for (const [at, image] of images.entries()) {
      const name = wanted[at]!;
      await exportTo(call, session, image, open, names(image, name), `Saving ${name}`);
    }
  });
  return 0;
}

function saveTarget(format: string, path: string): TransportName {
  switch (format) {
    case "oci-archive":
    case "docker-archive":
      return { kind: format, path, image: undefined };
    case "oci-dir":
      if (path === "-") throw new UsageError("--format oci-dir needs --output");
      return { kind: "oci", path, image: undefined };
  }
  throw new UsageError(`--format ${format} is none of oci-archive, docker-archive, oci-dir`);
}

async function write<T>(
  call: Call,
  session: ImageSession,
  target: TransportName,
  use: (destination: ImageDestination) => Promise<T>,
): Promise<T> {
  await using destination = await openDestination(target, {
    registry: () => session.push(),
    auth: credentials(call),
    scratch: session.scratch,
    signal: session.signal,
  });
  const result = await use(destination);
  await destination.finish();
  return result;
}

async function exportTo(
  call: Call,
  { store, signal }: ImageSession,
  { id }: Image,
  destination: ImageDestination,
  names: readonly string[],
  title: string,
): Promise<string> {
  const image = await store.image(id);
  if (image === undefined) throw new CridError("not_found", `image ${id} was removed meanwhile`);
  using progress = new ProgressView("Writing", isOn(call.given, "quiet") ? "quiet" : "shown");
  progress.title(title);
  return await exportImage({
    ...{ store, image, destination, names, signal },
    onProgress: progress.update,
  });
}

/** Saved by name it has that name; by id it has all of them. */
function names({ id, repoTags }: Image, asked: string): readonly string[] {
  if (id.startsWith(asked.replace(/^sha256:/, ""))) return repoTags;
  const exact = repoTags.filter((tag) => tag === full(asked));
  return exact.length > 0 ? exact : repoTags;
}

function full(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}

function ownName(image: Image, asked: string): string {
  const [name] = names(image, asked);
  if (name !== undefined) return name;
  throw new CridError("invalid_argument", `image ${asked} has no name; say where to push it`);
}
