import { join } from "@std/path";
import {
  type ArchiveImage,
  type ArchiveName,
  formatArchive,
  formatReference,
  type FoundArchive,
  parseReference,
  withPlainArchive,
} from "../../image/mod.ts";
import { isOn, textOf, UsageError } from "../arguments.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { ProgressView } from "./progress.ts";
import { type ImageSession, openSession, operands } from "./session.ts";

/** `crid image load` */
export async function load(call: Call): Promise<number> {
  const [operand] = operands(call, 0, 1);
  const path = textOf(call.given, "input") ?? operand ?? "-";
  const tag = textOf(call.given, "tag");
  const names = tag === undefined ? undefined : [formatReference(parseReference(tag))];
  const form = isOn(call.given, "quiet") ? "quiet" : "shown";
  await using session = await openSession(call, path === "-" ? [] : [await realPath(path)]);
  const file = path === "-" ? await spool(session.scratch) : await realPath(path);
  return await loadPath(session, file, undefined, async ({ name, images }) => {
    if (names !== undefined && images.length !== 1) {
      throw new UsageError(`--tag names one image, and there are ${images.length} in ${path}`);
    }
    const shown = async (image: ArchiveImage) => {
      using progress = new ProgressView("Loading", form);
      progress.title(`Loading ${image.names.join(", ") || image.label || `image ${image.index}`}`);
      return await session.images.load({
        source: formatArchive({ ...name, image: `@${image.index}` }),
        signal: session.signal,
        onProgress: progress.update,
        ...names && { names },
      });
    };
    // What is printed while bars are drawn would be drawn over.
    for (const image of images) print(await shown(image) + "\n");
    return 0;
  });
}

/** Reads the archive at `path`, whatever it is compressed with. */
export function loadPath<T>(
  session: ImageSession,
  path: string,
  kind: ArchiveName["kind"] | undefined,
  use: (archive: FoundArchive) => Promise<T>,
): Promise<T> {
  const list = (source: string) => session.images.archiveImages(source, session.signal);
  return withPlainArchive(path, kind, session.scratch, list, use);
}

/** A pipe is read once, an archive from several places. */
async function spool(scratch: string): Promise<string> {
  if (Deno.stdin.isTerminal()) {
    throw new UsageError("there is no archive: name one, or send it to standard input");
  }
  const path = join(scratch, "stdin");
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  const buffer = new Uint8Array(1024 * 1024);
  for (;;) {
    const read = await Deno.stdin.read(buffer);
    if (read === null) return path;
    for (let rest = buffer.subarray(0, read); rest.length > 0;) {
      rest = rest.subarray(await file.write(rest));
    }
  }
}

/** The walls of the isolates are about real paths. */
async function realPath(path: string): Promise<string> {
  try {
    return await Deno.realPath(path);
  } catch {
    return path;
  }
}
