import { Buffer } from "node:buffer";
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { createGunzip } from "node:zlib";
import { CridError, errorMessage } from "../failure/mod.ts";

/** One part of an archive: bytes that are in tar-split itself, or the content of a file. */
export type TarSplitPart =
  | { readonly kind: "raw"; readonly bytes: Uint8Array }
  | { readonly kind: "file"; readonly name: Uint8Array; readonly size: number };

/**
 * Reads how to put a layer's archive together again (vbatts/tar-split: JSON lines, gzip).
 *
 * @param what What is being done, for messages.
 * @throws {CridError} `failed_precondition` when there is no such file, `internal` for a damaged one.
 */
export async function* readTarSplit(path: string, what: string): AsyncGenerator<TarSplitPart> {
  const file = createReadStream(path);
  const gunzip = createGunzip({ chunkSize: 256 * 1024 });
  let failure: unknown;
  const fail = (error: unknown) => {
    failure ??= error;
    lines.close();
  };
  const lines = createInterface({ input: file.on("error", fail).pipe(gunzip), crlfDelay: 0 });
  gunzip.on("error", fail);
  try {
    for await (const line of lines) {
      if (failure !== undefined) break;
      const part = line === "" ? undefined : parsePart(line);
      if (part !== undefined) yield part;
    }
    if (failure !== undefined) throw failure;
  } catch (error) {
    throw readFailure(what, path, error);
  } finally {
    lines.close();
    gunzip.destroy();
    file.destroy();
  }
}

interface Line {
  readonly type: number;
  readonly name?: string;
  readonly name_raw?: string;
  readonly size?: number;
  readonly payload?: string | null;
}

function parsePart(line: string): TarSplitPart | undefined {
  const { type, name, name_raw, size = 0, payload }: Line = JSON.parse(line);
  if (type === 2) return { kind: "raw", bytes: Buffer.from(payload ?? "", "base64") };
  if (type !== 1) throw new Error(`a line is of the unknown type ${type}`);
  if (size === 0) return undefined;
  const bytes = name_raw === undefined ? Buffer.from(name ?? "") : Buffer.from(name_raw, "base64");
  return { kind: "file", name: bytes, size };
}

function readFailure(what: string, path: string, error: unknown): unknown {
  if (error instanceof CridError) return error;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ENOENT") {
    return new CridError(
      "failed_precondition",
      `${what}: there is no ${path}: whoever wrote this layer left out how to export it`,
      { cause: error },
    );
  }
  return new CridError("internal", `${what}: ${path} is damaged: ${errorMessage(error)}`, {
    cause: error,
  });
}
