import { isAbsolute } from "@std/path";
import { CridError } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";

/** The options of the overlay driver that crid acts on. */
export interface OverlayOptions {
  /** Options of every mount, unless a container brings its own. */
  readonly mountOptions: readonly string[];
  /** Leave the home as it is, instead of binding it onto itself; see {@linkcode leavesHome}. */
  readonly home: "bind" | "as-is";
  /** Write a layer out to the disk before it is recorded. */
  readonly sync: "filesystem" | "none";
}

/**
 * Options whose effect crid does not produce: ignoring the first three would break the store, and the
 * others are promises to whoever shares the disk.
 */
const REFUSED = new Set(["mount_program", "force_mask", "use_composefs", "size", "inodes"]);
/**
 * Without effect: what the first allows to fail does not fail for root, and the second is about sizes
 * of containers, which crid does not limit.
 */
const NEEDLESS = new Set(["ignore_chown_errors", "min_space"]);

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
    const match = OPTION.exec(option);
    const key = match?.[1];
    const value = match?.[2] ?? "";
    if (key === "mountopt") mountOptions = value.split(",").filter((word) => word !== "");
    else if (isAdditionalStore(key)) continue;
    else if (key === "skip_mount_home") home = value === "true" ? "as-is" : "bind";
    else if (key === "sync") sync = value === "filesystem" ? "filesystem" : "none";
    else if (key !== undefined && REFUSED.has(key) && value !== "" && value !== "false") {
      throw new CridError(
        "unimplemented",
        `storage option ${option}: not supported by crid; remove it from storage.conf or storage_option`,
      );
    } else if (!NEEDLESS.has(key ?? "")) {
      log.warn("Storage option has no effect in crid", { option });
    }
  }
  return { mountOptions, home, sync };
}

/**
 * The roots of additional image stores: `overlay.imagestore=<path>` or `.additionalimagestore=`, as
 * often as there are some.
 *
 * @throws {CridError} `invalid_argument` for a path that is not absolute.
 */
export function additionalStores(options: readonly string[]): readonly string[] {
  const roots = options.flatMap((option) => {
    const match = OPTION.exec(option);
    return isAdditionalStore(match?.[1]) ? match?.[2]?.split(",") ?? [] : [];
  }).filter((path) => path !== "");
  const relative = roots.find((path) => !isAbsolute(path));
  if (relative === undefined) return [...new Set(roots)];
  throw new CridError(
    "invalid_argument",
    `additional image store ${relative}: the path must be absolute (storage.conf or storage_option)`,
  );
}

/** Whether the driver's home is to be left as it is; nothing is said of other options. */
export function leavesHome(options: readonly string[]): OverlayOptions["home"] {
  const values = options.map((option) => OPTION.exec(option))
    .filter((match) => match?.[1] === "skip_mount_home").map((match) => match?.[2]);
  return values.at(-1) === "true" ? "as-is" : "bind";
}

/** An option: its key and its value. */
const OPTION = /^(?:overlay2?|vfs|btrfs)?\.?([a-z_-]+)=(.*)$/;

function isAdditionalStore(key: string | undefined): boolean {
  return key === "imagestore" || key === "additionalimagestore";
}
