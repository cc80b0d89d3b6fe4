import { parseDuration } from "../../config/mod.ts";
import { errorMessage } from "../../failure/mod.ts";
import { log } from "../../observe/mod.ts";
import { isOn, textOf, UsageError } from "../arguments.ts";
import type { Call, Command } from "../command.ts";

/** `crid check` */
export const CHECK: Command = {
  name: "check",
  aliases: [],
  summary: "Check the image store, and repair it",
  description: "Holds the records of images, layers and containers against their files. Without " +
    "--quick the digests of all layers and data are computed again, which takes long. Exits with 1 " +
    "when something is damaged and not repaired.",
  flags: [
    {
      name: "age",
      aliases: ["a"],
      kind: "text",
      doc: "How old a layer that nothing uses must be to count as damage.",
      usual: "24h",
    },
    { name: "force", aliases: ["f"], kind: "boolean", doc: "Remove damaged containers too." },
    { name: "quick", aliases: ["q"], kind: "boolean", doc: "Make only the quick checks." },
    { name: "repair", aliases: ["r"], kind: "boolean", doc: "Repair what is damaged." },
    {
      name: "wipe",
      aliases: ["w"],
      kind: "boolean",
      doc: "Remove the whole store when it cannot be repaired.",
    },
  ],
  run: check,
};

async function check({ given, load }: Call): Promise<number> {
  const unusedAfterMs = age(textOf(given, "age") ?? "24h");
  const { config } = await load();
  const [{ damageSummary, storeOptions }, storage] = await Promise.all([
    import("../../isolates/mod.ts"),
    import("../../storage/mod.ts"),
  ]);
  const options = storeOptions(config);
  const depth = isOn(given, "quick") ? "quick" : "full";
  const unrepaired = await (async () => {
    await using store = await storage.openStore(options);
    const damage = await storage.checkStore(store, { depth, unusedAfterMs });
    const { root } = config.crio;
    log.debug(`Storage directory ${root} has errors: ${damage.length > 0}`);
    for (const { kind, id, what } of damage) log.warn(`Damaged ${kind} ${id}: ${what}`);
    if (damage.length === 0) return undefined;
    if (!isOn(given, "repair")) return damageSummary(damage);
    const containers = isOn(given, "force") ? "remove containers" : "keep containers";
    const left = await storage.repairStore(store, damage, containers);
    for (const { kind, id, what } of left) log.error(`Not repaired: ${kind} ${id}: ${what}`);
    return left.length === 0 ? undefined : damageSummary(left);
  })();
  if (unrepaired === undefined) return 0;
  log.error(`Storage directory ${options.graphRoot}: ${unrepaired}`);
  if (!isOn(given, "repair") || !isOn(given, "wipe")) return 1;
  try {
    await storage.wipeStore(options);
    return 0;
  } catch (error) {
    log.error(errorMessage(error));
    return 1;
  }
}

function age(text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new UsageError(`--age: ${errorMessage(error)}`);
  }
}
