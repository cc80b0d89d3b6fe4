import { readdirSync, readFileSync } from "node:fs";
import { join } from "@std/path";

/**
 * Files that the policies and registries.d name: keys, authorities and local lookasides. Who may read them
 * is decided when an isolate starts, before it reads the policies itself.
 */
export function signatureReadPaths(
  policies: readonly string[],
  policyDirectory: string,
  registriesD: readonly string[],
): readonly string[] {
  const files = [...policies, ...list(policyDirectory, ".json")];
  return [
    ...registriesD,
    "/var/lib/containers/sigstore",
    ...files.flatMap((file) => keyPaths(json(file))),
    ...registriesD.flatMap((directory) => list(directory, ".yaml")).flatMap(lookasides),
  ];
}

/** Values of all members whose name ends with `Path` or `Paths`. */
function keyPaths(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) =>
    /Paths?$/.test(name)
      ? [member].flat().filter((path): path is string => typeof path === "string" && path !== "")
      : keyPaths(member)
  );
}

function lookasides(file: string): string[] {
  return Array.from(text(file).matchAll(/file:\/\/(\/[^\s"'#]+)/g), ([, path]) => path!);
}

function json(file: string): unknown {
  try {
    return JSON.parse(text(file));
  } catch {
    return undefined;
  }
}

/** What cannot be read here is reported when an image is pulled. */
function text(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function list(directory: string, suffix: string): string[] {
  try {
    return readdirSync(directory).filter((name) => name.endsWith(suffix)).map((name) =>
      join(directory, name)
    );
  } catch {
    return [];
  }
}
