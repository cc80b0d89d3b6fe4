import { CridError } from "../../failure/mod.ts";

/** Where pods go whose client names no parent. */
export const DEFAULT_SLICE = "system.slice";

/**
 * Where systemd puts a slice: each dash in its name is a level. systemd.slice(5)
 *
 * ```ts
 * slicePath("kubepods-burstable.slice"); // "/kubepods.slice/kubepods-burstable.slice"
 * ```
 *
 * @throws {CridError} `invalid_argument` for a name that no slice can have.
 */
export function slicePath(slice: string): string {
  if (slice === "-.slice") return "/";
  const name = slice.replace(/\.slice$/, "");
  const parts = name.split("-");
  if (!slice.endsWith(".slice") || parts.includes("") || /[/\0]/.test(name)) {
    throw new CridError("invalid_argument", `"${slice}" is no name of a systemd slice`);
  }
  return parts.map((_, level) => `/${parts.slice(0, level + 1).join("-")}.slice`).join("");
}
