import { readdirSync, readFileSync } from "node:fs";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import { type NetworkConfig, parseNetworkList, parseSinglePlugin } from "./configuration.ts";
import { DirectoryWatch } from "./directory_watch.ts";

/** A usable network and the file that it is from. */
export interface ConfiguredNetwork {
  readonly path: string;
  readonly config: NetworkConfig;
}

/** What the configuration directory says. */
export interface Configuration {
  /** In the order of their files' names. */
  readonly networks: readonly ConfiguredNetwork[];
  /** `10-a.conf: what is wrong with it`. */
  readonly problems: readonly string[];
}

/** The network configuration directory: read when asked for, and again after it has changed. */
export class ConfigurationDirectory implements Disposable {
  readonly #directory: string;
  readonly #watch: DirectoryWatch;
  #known: Configuration | undefined;
  #reported = "";
  readonly #waiting = new Set<() => void>();

  constructor(directory: string) {
    this.#directory = directory;
    this.#watch = new DirectoryWatch(directory, () => {
      this.#known = undefined;
      for (const tell of this.#waiting) tell();
    });
  }

  /** What the directory says now; a missing one says nothing. */
  get current(): Configuration {
    if (this.#known !== undefined && !this.#watch.mayHaveMissedChanges()) return this.#known;
    this.#known = readConfiguration(this.#directory);
    this.#report(this.#known);
    return this.#known;
  }

  /** Resolves at the next change, or when nobody wants to know any more. */
  changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const tell = () => {
        this.#waiting.delete(tell);
        signal.removeEventListener("abort", tell);
        resolve();
      };
      this.#waiting.add(tell);
      signal.addEventListener("abort", tell, { once: true });
    });
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
  }

  /** Says once what was found, and again when it is something else. */
  #report({ networks, problems }: Configuration): void {
    const found = networks.map(({ path, config }) =>
      `Found CNI network ${config.name} (type=${config.plugins[0]?.type}) at ${path}`
    );
    const report = [...found, ...problems].join("\n");
    if (report === this.#reported) return;
    this.#reported = report;
    for (const line of found) log.info(line);
    for (const problem of problems) log.warn(`Error loading CNI config file ${problem}`);
  }
}

/** Reads all `.conf`, `.conflist` and `.json` files of a directory in the order of their names. */
export function readConfiguration(directory: string): Configuration {
  const networks: ConfiguredNetwork[] = [];
  const problems: string[] = [];
  for (const name of listFiles(directory, /\.(conf|conflist|json)$/)) {
    const path = `${directory.replace(/\/+$/, "")}/${name}`;
    try {
      const text = readFileSync(path, "utf8");
      const config = name.endsWith(".conflist")
        ? parseNetworkList(text, (network) => readFolder(`${directory}/${network}`))
        : parseSinglePlugin(text);
      networks.push({ path, config });
    } catch (error) {
      problems.push(`${path}: ${errorMessage(error)}`);
    }
  }
  return { networks, problems };
}

/** CNI 1.1: plugins of a network may be files of their own in a directory named like it. */
function readFolder(directory: string): readonly string[] {
  return listFiles(directory, /\.conf$/).map((name) =>
    readFileSync(`${directory}/${name}`, "utf8")
  );
}

function listFiles(directory: string, pattern: RegExp): readonly string[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && pattern.test(entry.name))
      .map((entry) => entry.name)
      .toSorted();
  } catch {
    // Missing or not readable: the caller sees that there is no network.
    return [];
  }
}
