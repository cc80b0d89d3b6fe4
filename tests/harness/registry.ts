/**
 * Debian's docker-registry on a loopback port of its own.
 *
 * @module
 */
import { createInterface } from "node:readline";
import { join } from "@std/path";
import { DIE_WITH_PARENT } from "./isolation.ts";
import { DEFAULT_PATH, exit, start } from "../../src/linux/mod.ts";

/** A running registry; disposing it stops it and deletes what was pushed. */
export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `http://127.0.0.1:port` */
  readonly url: string;
  readonly pid: number;
}

/** Longest wait for the registry to listen. */
const START_MS = 20_000;

export interface RegistryOptions {
  /** Where blobs are kept; a temporary directory otherwise. A given one is not deleted. */
  readonly storage?: string;
  /** A program and its arguments that the registry is started through: `nsenter …`. */
  readonly through?: readonly string[];
  /** User name and bcrypt hash, `name:$2y$…`, for basic authentication. */
  readonly htpasswd?: string;
}

/** Starts a registry that takes pushes and deletes, without TLS. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const directory = await Deno.makeTempDir({ prefix: "crid-registry-" });
  const config = join(directory, "config.yml");
  await Deno.writeTextFile(config, registryConfig(options, directory));
  if (options.htpasswd !== undefined) {
    await Deno.writeTextFile(join(directory, "htpasswd"), `${options.htpasswd}\n`);
  }
  const [command, ...args] = [
    ...options.through ?? [],
    ...DIE_WITH_PARENT,
    ...["docker-registry", "serve", config],
  ];
  const child = start(command!, args, {
    env: { PATH: DEFAULT_PATH, OTEL_TRACES_EXPORTER: "none" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const ended = exit(child, command!);
  const remove = () => Deno.remove(directory, { recursive: true });
  const lines: string[] = [];
  const { promise: host, resolve } = Promise.withResolvers<string>();
  createInterface({ input: child.stderr! }).on("line", (line) => {
    const listening = /listening on (127\.0\.0\.1:\d+)/.exec(line);
    if (listening) resolve(listening[1]!);
    else if (lines.length < 100) lines.push(line);
  });
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const failed = new Promise<never>((_, reject) => {
      const fail = (what: string) =>
        reject(new Error(`docker-registry ${what}: ${lines.join("\n")}`));
      timer = setTimeout(() => fail("does not listen"), START_MS);
      ended.then(({ code }) => fail(`ended with ${code}`), reject);
    });
    // Later, the end of the registry is what was asked for.
    failed.catch(() => {});
    const address = await Promise.race([host, failed]);
    return {
      host: address,
      url: `http://${address}`,
      pid: child.pid!,
      async [Symbol.asyncDispose]() {
        child.kill("SIGKILL");
        await ended;
        await remove();
      },
    };
  } catch (error) {
    child.kill("SIGKILL");
    await remove();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function registryConfig({ storage, htpasswd }: RegistryOptions, directory: string): string {
  const auth = htpasswd === undefined ? {} : {
    auth: { htpasswd: { realm: "crid tests", path: join(directory, "htpasswd") } },
  };
  // YAML takes JSON.
  return JSON.stringify({
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: storage ?? join(directory, "blobs") },
      cache: { blobdescriptor: "inmemory" },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: "127.0.0.1:0" },
    compatibility: { schema1: { enabled: true } },
    ...auth,
  });
}
