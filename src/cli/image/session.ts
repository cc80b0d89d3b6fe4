import type { Config } from "../../config/mod.ts";
import { CridError } from "../../failure/mod.ts";
import { type Image, type RegistryAuth } from "../../image/mod.ts";
import { type LocalImages, openLocalImages } from "../../isolates/mod.ts";
import { textOf, UsageError } from "../arguments.ts";
import { buildInfo } from "../build_info.ts";
import type { Call } from "../command.ts";

/** What a command of `crid image` works with. */
export interface ImageSession extends LocalImages {
  readonly config: Config;
  readonly signal: AbortSignal;
}

/**
 * Opens the store for one command. Interrupting it ends what runs and leaves nothing half done.
 *
 * @param archives Files and directories that images are to be read from.
 */
export async function openSession(
  call: Call,
  archives: readonly string[] = [],
): Promise<ImageSession> {
  const loaded = (await call.load("kept back")).config;
  const authFile = textOf(call.given, "authfile");
  const config = authFile === undefined
    ? loaded
    : { ...loaded, image: { ...loaded.image, global_auth_file: authFile } };
  const local = await openLocalImages(config, buildInfo.version, archives);
  return { ...local, config, signal: interrupted() };
}

function interrupted(): AbortSignal {
  const controller = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(name, () => {
      controller.abort(new CridError("cancelled", "interrupted"));
    });
  }
  return controller.signal;
}

/** What follows the flags; `least` of them are needed. */
export function operands(
  { given, words }: Call,
  least: number,
  most = Infinity,
): readonly string[] {
  const { rest } = given;
  const late = rest.find((word) => word.startsWith("-") && word !== "-");
  if (late !== undefined) throw new UsageError(`flags stand before names: ${late}`);
  if (rest.length < least) throw new UsageError(`crid ${words.join(" ")}: the image is missing`);
  if (rest.length > most) throw new UsageError(`unexpected argument: ${rest[most]}`);
  return rest;
}

/** @throws {CridError} `not_found`. */
export async function imageNamed({ images }: LocalImages, name: string): Promise<Image> {
  const image = await images.find(name);
  if (image !== undefined) return image;
  throw new CridError("not_found", `image ${name} is not here; crid image list shows what is`);
}

/** @throws {UsageError} for something without a colon. */
export function credentials({ given }: Call): RegistryAuth | undefined {
  const text = textOf(given, "creds");
  if (text === undefined) return undefined;
  const colon = text.indexOf(":");
  if (colon < 1) throw new UsageError("--creds is written user:password");
  return {
    username: text.slice(0, colon),
    password: text.slice(colon + 1),
    auth: "",
    serverAddress: "",
    identityToken: "",
    registryToken: "",
  };
}
