import { CridError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";

/** The options of the overlay driver that crid acts on. */
export interface OverlayOptions {
  /** Options of every mount, unless a container brings its own. */
  readonly mountOptions: readonly string[];
  /** Leave the home as it is, instead of binding it onto itself. */
  readonly home: "bind" | "as-is";
  /** Write a layer out to the disk before it is recorded. */
  readonly sync: "filesystem" | "none";
}

/** Options whose effect on the files crid does not produce; ignoring them would break the store. */
const REFUSED = new Set(["mount_program", "force_mask", "use_composefs"]);

/**
 * Reads options of the form `overlay.<key>=<value>` (also `.key=value` and `overlay2.`).
 *
 * @throws {CridError} `unimplemented` for one that changes the layout of the store.
 */
export function overlayOptions(options: readonly string[]): OverlayOptions {
  let mountOptions: string[] = [];
  let home: OverlayOptions["home"] = "bind";
  let sync: OverlayOptions["sync"] = "none";
  for (const option of options) {
    const match = /^(?:overlay2?)?\.?([a-z_]+)=(.*)$/.exec(option);
    const key = match?.[1];
    const value = match?.[2] ?? "";
    if (key === "mountopt") mountOptions = value.split(",").filter((word) => word !== "");
    else if (key === "skip_mount_home") home = value === "true" ? "as-is" : "bind";
    else if (key === "sync") sync = value === "filesystem" ? "filesystem" : "none";
    else if (key !== undefined && REFUSED.has(key) && value !== "" && value !== "false") {
      throw new CridError(
        "unimplemented",
        `storage option ${option}: not supported by crid; remove it from storage.conf or storage_option`,
      );
    } else log.warn("Storage option has no effect in crid", { option });
  }
  return { mountOptions, home, sync };
}
