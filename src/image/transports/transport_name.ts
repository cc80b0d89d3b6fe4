import { isAbsolute, resolve } from "@std/path";
import { CridError } from "../../failure/mod.ts";
import { quote } from "../digest.ts";

/** Where an image is or goes to, as all container tools write it: `<transport>:<details>`. */
export type TransportName =
  | { readonly kind: "docker"; readonly reference: string }
  | {
    readonly kind: "oci" | "oci-archive" | "docker-archive";
    /** Absolute. */
    readonly path: string;
    /** Which of the images in it: a name, or `@` and its place; `undefined` for the only one. */
    readonly image: string | undefined;
  }
  | {
    readonly kind: "containers-storage";
    /** `[driver@graphRoot+runRoot:options]`; `undefined` for the store of the configuration. */
    readonly store: StoreSpecifier | undefined;
    readonly reference: string;
  };

/** A transport that is a file or directory. */
export type ArchiveName = Extract<TransportName, { readonly path: string }>;

/** The store that a `containers-storage:` name is about. */
export interface StoreSpecifier {
  readonly driver: string;
  readonly graphRoot: string;
  readonly runRoot: string;
  readonly options: readonly string[];
}

const KINDS = ["docker", "oci", "oci-archive", "docker-archive", "containers-storage"] as const;

/**
 * Reads a name with its transport in front; one without is `plain`.
 *
 * @throws {CridError} `invalid_argument` for what is no name of its transport.
 */
export function parseTransport(
  text: string,
  plain: "docker" | "containers-storage" = "docker",
): TransportName {
  const colon = text.indexOf(":");
  const kind = KINDS.find((each) => each === text.slice(0, colon));
  if (kind === undefined) return named(plain, text);
  const rest = text.slice(colon + 1);
  if (kind === "docker") {
    if (!rest.startsWith("//")) throw invalid(text, "it has the form docker://host/name:tag");
    return named("docker", rest.slice(2));
  }
  if (kind === "containers-storage") return parseStorage(text, rest);
  if (rest === "") throw invalid(text, "the path is missing");
  const [path, image] = splitPath(rest);
  return { kind, path: isAbsolute(path) ? path : resolve(path), image };
}

/** The inverse of {@linkcode parseTransport} for files and directories. */
export function formatArchive({ kind, path, image }: ArchiveName): string {
  return `${kind}:${path}${image === undefined ? "" : `:${image}`}`;
}

function named(kind: "docker" | "containers-storage", reference: string): TransportName {
  if (reference === "") throw invalid(reference, "it is empty");
  return kind === "docker" ? { kind, reference } : { kind, store: undefined, reference };
}

/** What follows the first colon is the image, as for all container tools; `:@0` may follow any path. */
function splitPath(rest: string): readonly [string, string | undefined] {
  const place = /^(.*):(@\d{1,6})$/s.exec(rest);
  if (place !== null) return [place[1]!, place[2]!];
  const colon = rest.indexOf(":");
  if (colon < 0) return [rest, undefined];
  return [rest.slice(0, colon), rest.slice(colon + 1) || undefined];
}

function parseStorage(text: string, rest: string): TransportName {
  if (!rest.startsWith("[")) return named("containers-storage", rest);
  const end = rest.indexOf("]");
  const [, driver = "", graphRoot = "", runRoot = "", options = ""] =
    /^(?:([a-z0-9]+)@)?([^+:]+)(?:\+([^:]+))?(?::(.*))?$/.exec(rest.slice(1, end)) ?? [];
  if (end < 0 || !isAbsolute(graphRoot) || (runRoot !== "" && !isAbsolute(runRoot))) {
    throw invalid(text, "a store is written [overlay@/graph/root+/run/root]");
  }
  const reference = rest.slice(end + 1);
  return {
    kind: "containers-storage",
    reference,
    store: {
      driver: driver || "overlay",
      graphRoot,
      runRoot: runRoot || "/run/containers/storage",
      options: options.split(",").filter((option) => option !== ""),
    },
  };
}

function invalid(text: string, why: string): CridError {
  return new CridError("invalid_argument", `invalid image name ${quote(text)}: ${why}`);
}
