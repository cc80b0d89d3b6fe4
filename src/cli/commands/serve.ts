import {
  checkHost,
  type Config,
  loadConfig,
  type LoadedConfig,
  makeDirectories,
  type Message,
  notBuilt,
  overrideText,
  printToml,
  reloadConfig,
  type Reloaded,
  validateConfig,
} from "../../config/mod.ts";
import { log } from "../../observe/mod.ts";
import { UsageError } from "../arguments.ts";
import { buildInfo } from "../build_info.ts";
import type { Command } from "../command.ts";
import { hostDefaults } from "../host_defaults.ts";

/** `crid` without a command: the daemon. */
export const SERVE: Command = {
  name: "crid",
  aliases: [],
  summary: "Kubernetes container runtime (CRI) in one file, a drop-in for CRI-O",
  description: "Without a command crid serves the CRI socket until SIGTERM; containers go on " +
    "running when it stops. It reads the configuration of CRI-O.",
  flags: [],
  async run({ given, load }) {
    const [operand] = given.rest;
    if (operand !== undefined) throw new UsageError(`command "${operand}" not supported`);
    // The daemon and all that it needs is loaded by this command only, and while the rest goes on.
    const daemon = import("../../isolates/mod.ts");
    daemon.catch(() => {});
    const loaded = await load();
    const { version, gitCommit, gitTreeState } = buildInfo;
    log.info(`Starting crid, version: ${version}, git: ${gitCommit}(${gitTreeState})`);
    validateConfig(loaded.config);
    const { config, messages } = await checkHost(loaded.config, Deno.env.get("PATH") ?? "");
    await makeDirectories(config);
    warnOfNamespace();
    logMessages(messages);
    logConfig({ ...loaded, config });
    const { serve } = await daemon;
    const reload = (running: Config) => readAgain(running, loaded);
    return await serve(config, version, reload);
  },
};

/**
 * Reads the files again, without flags and variables but those that name the files: as in CRI-O, what
 * they have set gives way to the files for keys that a reload takes.
 */
async function readAgain(running: Config, { overrides }: LoadedConfig): Promise<Reloaded> {
  const files = overrides.filter(({ flag }) => ["config", "config-dir"].includes(flag.name));
  const host = await hostDefaults(Deno.env.toObject());
  const fresh = await loadConfig({ flags: files, env: {}, host });
  logMessages(fresh.messages);
  const { config, messages } = await checkHost(fresh.config, Deno.env.get("PATH") ?? "");
  logMessages(messages);
  return reloadConfig(running, config);
}

/** The launcher joins it, which still has no threads, and takes the variable away. */
function warnOfNamespace(): void {
  const path = Deno.env.get("KUBENSMNT");
  if (path === undefined || path === "") return;
  log.warn("KUBENSMNT was not joined: it is no mount namespace", { path });
}

function logConfig({ config, defaults, overrides }: LoadedConfig): void {
  for (const key of notBuilt(config, defaults)) {
    log.warn("Set, but has no effect: not built in this release", { key });
  }
  for (const override of overrides) {
    log.info(`FLAG: --${override.flag.name}=${JSON.stringify(overrideText(override))}`);
  }
  log.info(`Current crid configuration:\n${printToml(config, { for: "log" })}`);
}

/** Logs what the configuration has to say. */
export function logMessages(messages: readonly Message[]): void {
  for (const { level, text, fields } of messages) {
    if (level === "warning") log.warn(text, fields);
    else log[level](text, fields);
  }
}
