import { join } from "@std/path";
import { CridError, wrapError } from "../../failure/mod.ts";
import type { TlsIdentity } from "./transport.ts";

/**
 * Reads authorities and the client certificate for a registry from the first of `directories` that has
 * a folder named after the host with its port: containers-certs.d(5). `*.crt` are authorities, `*.cert`
 * with the `*.key` of the same name are the client's.
 *
 * @throws {CridError} `failed_precondition` for a certificate without key or the other way round.
 */
export async function loadTlsIdentity(
  directories: readonly string[],
  host: string,
): Promise<TlsIdentity> {
  for (const directory of directories) {
    const folder = join(directory, host);
    const names = await listIfPresent(folder);
    if (names !== undefined) return await readFolder(folder, names);
  }
  return { authorities: [], client: undefined };
}

/** The host's own authorities, read again when their file has changed. */
export class SystemAuthorities {
  readonly #bundles: readonly string[];
  #read: { readonly state: string; readonly authorities: readonly string[] } | undefined;

  /** @param bundles The first of these files that there is counts. */
  constructor(bundles: readonly string[]) {
    this.#bundles = bundles;
  }

  /** In PEM; the same texts as long as nobody changes them. */
  async load(): Promise<readonly string[]> {
    for (const bundle of this.#bundles) {
      try {
        const { ino, size, mtime } = await Deno.stat(bundle);
        const state = `${bundle} ${ino} ${size} ${mtime?.getTime()}`;
        if (this.#read?.state !== state) {
          this.#read = { state, authorities: [await Deno.readTextFile(bundle)] };
        }
        return this.#read.authorities;
      } catch (error) {
        // Not permitted is as good as absent here: the built-in authorities remain.
        const absent = error instanceof Deno.errors.NotFound ||
          error instanceof Deno.errors.NotCapable;
        if (!absent) throw wrapError(`read ${bundle}`, error);
      }
    }
    return [];
  }
}

async function readFolder(folder: string, names: readonly string[]): Promise<TlsIdentity> {
  const read = (name: string) => Deno.readTextFile(join(folder, name));
  const withSuffix = (suffix: string) => names.filter((name) => name.endsWith(suffix)).sort();
  const stem = (name: string) => name.slice(0, name.lastIndexOf("."));
  const authorities = await Promise.all(withSuffix(".crt").map(read));
  const certs = withSuffix(".cert");
  for (const key of withSuffix(".key")) {
    if (!certs.includes(`${stem(key)}.cert`)) throw lonely(folder, key, `${stem(key)}.cert`);
  }
  const [cert] = certs;
  if (cert === undefined) return { authorities, client: undefined };
  const key = `${stem(cert)}.key`;
  if (!names.includes(key)) throw lonely(folder, cert, key);
  return { authorities, client: { cert: await read(cert), key: await read(key) } };
}

async function listIfPresent(folder: string): Promise<string[] | undefined> {
  try {
    return (await Array.fromAsync(Deno.readDir(folder))).map((entry) => entry.name);
  } catch (error) {
    const absent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (absent) return undefined;
    throw wrapError(`read ${folder}`, error, "failed_precondition");
  }
}

function lonely(folder: string, name: string, partner: string): CridError {
  return new CridError("failed_precondition", `${join(folder, name)} is there without ${partner}`);
}
