import type { Config } from "../config/mod.ts";
import { errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import {
  checkStore,
  openStore,
  repairStore,
  type Store,
  type StoreDamage,
  wipeStore,
} from "../storage/mod.ts";
import { wasUnclean } from "./clean_shutdown.ts";
import { storeOptions } from "./options.ts";

/**
 * Opens the store. After an unclean shutdown it is checked first, quickly, and what is damaged is
 * removed; a store that cannot be repaired is removed as a whole, or kept as it is while in use.
 */
export async function openRepairedStore(
  { crio }: Pick<Config, "crio">,
): Promise<Store> {
  const options = storeOptions({ crio });
  if (!crio.internal_repair || !wasUnclean(crio.clean_shutdown_file)) {
    return await openStore(options);
  }
  const store = await openStore(options);
  try {
    const damage = await checkStore(store, { depth: "quick" });
    if (damage.length === 0) return store;
    log.warn(`The last shutdown was unclean; ${damageSummary(damage)}`);
    const left = await repairStore(store, damage, "remove containers");
    if (left.length === 0) return store;
    throw new Error(left.map(({ kind, id, what }) => `${kind} ${id}: ${what}`).join("; "));
  } catch (error) {
    log.error(`Repair the storage in ${crio.root}: ${errorMessage(error)}; removing all of it`);
    await store[Symbol.asyncDispose]();
    await wipeStore(options).catch((refusal) => log.error(errorMessage(refusal)));
    return await openStore(options);
  }
}

/** How much of what is damaged, in CRI-O's words. */
export function damageSummary(damage: readonly StoreDamage[]): string {
  const count = (kind: StoreDamage["kind"]) => damage.filter((one) => one.kind === kind).length;
  return `${count("layer")} layer errors, 0 read-only layer errors, ${count("image")} image ` +
    `errors, 0 read-only image errors, ${count("container")} container errors`;
}
