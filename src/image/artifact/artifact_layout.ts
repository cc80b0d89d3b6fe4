import { join } from "@std/path";
import { CridError, errorMessage } from "../../failure/mod.ts";
import { lstatIfThere } from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import { digestHex } from "../digest.ts";
import { parseReference, repositoryName } from "../reference.ts";
import type { Image } from "../types.ts";
import { parseArtifact } from "./artifact_manifest.ts";

/** The annotation of an entry that holds the artifact's full name. */
export const REF_NAME = "org.opencontainers.image.ref.name";

/** The repository of an artifact without a name, as CRI-O tells of it. */
const UNKNOWN = "unknown";

/** What `index.json` of an artifact store has for one name of an artifact. */
export interface Entry {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The entries of the layout in `root`; none when there is no layout. @throws {CridError} `internal`. */
export async function readEntries(root: string): Promise<readonly Entry[]> {
  const path = join(root, "index.json");
  try {
    const { manifests } = JSON.parse(await Deno.readTextFile(path));
    return Array.isArray(manifests) ? manifests : [];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new CridError("internal", `read ${path}: ${errorMessage(error)}`);
  }
}

/** As {@linkcode readEntries}; what is wrong with an additional store is only logged. */
export async function additionalEntries(root: string): Promise<readonly Entry[]> {
  try {
    return await readEntries(root);
  } catch (error) {
    log.warn("additional artifact store cannot be read", { error: errorMessage(error) });
    return [];
  }
}

/** What tells a changed index of the layout in `root`. */
export function indexState(root: string): string {
  try {
    const file = lstatIfThere(join(root, "index.json"));
    return file === undefined ? "none" : `${file.inode}.${file.size}.${file.modified}`;
  } catch (error) {
    // Whoever reads it says so.
    return errorMessage(error);
  }
}

/** The artifacts of a layout; one that cannot be read is logged. */
export async function artifactsIn(
  root: string,
  entries: readonly Entry[],
): Promise<readonly Image[]> {
  const byId = new Map<string, Entry[]>();
  for (const entry of entries) {
    const id = digestHex(entry.digest);
    byId.set(id, [...byId.get(id) ?? [], entry]);
  }
  const images: Image[] = [];
  for (const [id, entries] of byId) {
    try {
      images.push(await readArtifact(root, id, entries));
    } catch (error) {
      log.error("artifact cannot be read", { id, error: errorMessage(error) });
    }
  }
  return images;
}

/** One artifact that is in two layouts. */
export function joined(one: Image, other: Image): Image {
  const union = (a: readonly string[], b: readonly string[]) => [...new Set([...a, ...b])];
  return {
    ...one,
    repoTags: union(one.repoTags, other.repoTags),
    repoDigests: union(one.repoDigests, other.repoDigests),
  };
}

async function readArtifact(root: string, id: string, entries: readonly Entry[]): Promise<Image> {
  const bytes = await Deno.readFile(join(root, `blobs/sha256/${id}`));
  const manifest = parseArtifact(bytes);
  if (manifest === undefined) throw new Error("its manifest is damaged");
  const names = entries.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []).filter(isName);
  const repositories = new Set(names.map((name) => repositoryName(parseReference(name))));
  if (repositories.size === 0) repositories.add(UNKNOWN);
  return {
    id,
    repoTags: names.filter((name) => !name.includes("@")),
    repoDigests: Array.from(repositories, (name) => `${name}@sha256:${id}`),
    size: manifest.files.reduce((sum, file) => sum + file.size, bytes.length),
    uid: undefined,
    username: "",
    pinned: false,
    annotations: JSON.parse(new TextDecoder().decode(bytes)).annotations ?? {},
    config: NO_CONFIG,
    configJson: "{}",
    artifactType: manifest.type,
  };
}

/** Other tools write the tag alone, which must not become `docker.io/library/<tag>`. */
function isName(text: string): boolean {
  if (!text.includes("/")) return false;
  try {
    return parseReference(text) !== undefined;
  } catch {
    return false;
  }
}

const NO_CONFIG: Image["config"] = {
  user: "",
  env: [],
  entrypoint: [],
  cmd: [],
  workingDir: "",
  stopSignal: "",
  volumes: [],
  labels: {},
  os: "",
  architecture: "",
};
