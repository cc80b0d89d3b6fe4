import { createHash } from "node:crypto";
import type { Chunk } from "../blob_stream.ts";
import type { UploadedBlob } from "../registry/push.ts";

/** Writes bytes to a new file and hashes them on the way. */
export async function writeBlobFile(
  path: string,
  source: AsyncIterable<Chunk>,
  signal: AbortSignal,
): Promise<UploadedBlob> {
  const hash = createHash("sha256");
  let size = 0;
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o644 });
  for await (const chunk of source) {
    signal.throwIfAborted();
    hash.update(chunk);
    size += chunk.length;
    for (let rest: Uint8Array = chunk; rest.length > 0;) {
      rest = rest.subarray(await file.write(rest));
    }
  }
  return { digest: `sha256:${hash.digest("hex")}`, size };
}

/** The bytes of a file. */
export async function* readBlobFile(path: string): AsyncGenerator<Uint8Array> {
  using file = await Deno.open(path);
  const buffer = new Uint8Array(256 * 1024);
  for (;;) {
    const read = await file.read(buffer);
    if (read === null) return;
    yield buffer.subarray(0, read);
  }
}
