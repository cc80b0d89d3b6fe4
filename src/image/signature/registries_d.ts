import { join } from "@std/path";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { formatReference, type ImageReference, repositoryName } from "../reference.ts";

/** Where the signatures of an image are: containers-registries.d(5). */
export interface SignaturePlaces {
  /** `file:///…` or `https://…`, below which simple-signing signatures are. */
  readonly lookaside: string;
  /** Whether sigstore signatures are looked for beside the image. */
  readonly sigstoreAttachments: boolean;
}

const DEFAULT_LOOKASIDE = "file:///var/lib/containers/sigstore";

interface Entry {
  readonly lookaside?: unknown;
  /** The old name of the same. */
  readonly sigstore?: unknown;
  readonly "use-sigstore-attachments"?: unknown;
}

/**
 * Reads `*.yaml` of the first directory that exists; the most specific entry that sets a value decides.
 *
 * @throws {CridError} `failed_precondition` naming the file.
 */
export async function signaturePlaces(
  directories: readonly string[],
  reference: ImageReference,
): Promise<SignaturePlaces> {
  const { namespaces, fallback } = await readAll(directories);
  const entries = [...scopes(reference)].flatMap((scope) => namespaces.get(scope) ?? []);
  const all = [...entries, ...fallback];
  const lookaside = all.map((each) => each.lookaside ?? each.sigstore).find((each) =>
    each !== undefined
  );
  const attachments = all.map((each) => each["use-sigstore-attachments"]).find((each) =>
    each !== undefined
  );
  return {
    lookaside: typeof lookaside === "string" ? lookaside : DEFAULT_LOOKASIDE,
    sigstoreAttachments: attachments === true,
  };
}

function* scopes(reference: ImageReference): Generator<string> {
  yield formatReference(reference);
  for (let name = repositoryName(reference);; name = name.slice(0, name.lastIndexOf("/"))) {
    yield name;
    if (!name.includes("/")) return;
  }
}

async function readAll(directories: readonly string[]) {
  const namespaces = new Map<string, Entry>();
  const fallback: Entry[] = [];
  for (const directory of directories) {
    const names = await listIfPresent(directory);
    if (names === undefined) continue;
    // Only those who have such files need a reader for them.
    const { parse } = await import("./yaml.ts");
    for (const name of names.filter((each) => each.endsWith(".yaml")).sort()) {
      const file = join(directory, name);
      try {
        const content = parse(await Deno.readTextFile(file)) ?? {};
        if (content["default-docker"] !== undefined) fallback.push(content["default-docker"]);
        for (const [scope, entry] of Object.entries(content.docker ?? {})) {
          if (namespaces.has(scope)) throw new Error(`${scope} is in another file, too`);
          namespaces.set(scope, entry ?? {});
        }
        if (fallback.length > 1) throw new Error("default-docker is in another file, too");
      } catch (error) {
        throw new CridError("failed_precondition", `read ${file}: ${errorMessage(error)}`);
      }
    }
    break;
  }
  return { namespaces, fallback };
}

async function listIfPresent(directory: string): Promise<string[] | undefined> {
  try {
    return (await Array.fromAsync(Deno.readDir(directory))).map((entry) => entry.name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw new CridError("failed_precondition", `read ${directory}: ${errorMessage(error)}`);
  }
}
