import { CridError } from "../../failure/mod.ts";
import {
  type ArchiveName,
  formatArchive,
  parseTransport,
  storePeer,
  type TransportName,
} from "../../image/mod.ts";
import { openStore } from "../../storage/mod.ts";
import { isOn, textOf } from "../arguments.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { loadPath } from "./load.ts";
import { ProgressView } from "./progress.ts";
import { credentials, type ImageSession, openSession, operands } from "./session.ts";

/** `crid image pull` */
export async function pull(call: Call): Promise<number> {
  const names = operands(call, 1).map((text) => ({ text, name: parseTransport(text) }));
  const archives = names.flatMap(({ name }) => "path" in name ? [name.path] : []);
  await using session = await openSession(call, archives);
  const form = isOn(call.given, "quiet") ? "quiet" : "shown";
  const shown = async (text: string, name: TransportName) => {
    using progress = new ProgressView("Pulling", form);
    progress.title(`Pulling ${text}`);
    return await pullOne(call, session, name, progress);
  };
  for (const { text, name } of names) {
    // What is printed while bars are drawn would be drawn over.
    for (const id of await shown(text, name)) print(id + "\n");
  }
  return 0;
}

async function pullOne(
  call: Call,
  session: ImageSession,
  name: TransportName,
  { update: onProgress }: ProgressView,
): Promise<readonly string[]> {
  const { signal } = session;
  if (name.kind === "docker") {
    const id = await session.images.pull({
      reference: name.reference,
      auth: credentials(call),
      namespace: textOf(call.given, "namespace") ?? "",
      signal,
      onProgress,
    });
    return [id];
  }
  if (name.kind === "containers-storage") return [await pullFromStore(session, name, onProgress)];
  return await pullFromArchive(session, name, onProgress);
}

/** One image that is named, or the only one. */
async function pullFromArchive(
  session: ImageSession,
  name: ArchiveName,
  onProgress: ProgressView["update"],
): Promise<readonly string[]> {
  return await loadPath(session, name.path, name.kind, async (archive) => {
    const source = formatArchive({ ...archive.name, image: name.image });
    const { signal } = session;
    return [await session.images.load({ source, signal, onProgress })];
  });
}

async function pullFromStore(
  session: ImageSession,
  { store: where, reference }: Extract<TransportName, { readonly kind: "containers-storage" }>,
  onProgress: ProgressView["update"],
): Promise<string> {
  if (where === undefined) {
    throw new CridError(
      "invalid_argument",
      `${reference} is pulled from this store already; name another one: ` +
        "containers-storage:[overlay@/graph/root+/run/root]name",
    );
  }
  await using other = await openStore({ ...where, imageStore: "", options: [...where.options] });
  const image = await other.image(reference);
  if (image === undefined) {
    throw new CridError("not_found", `image ${reference} is not in ${where.graphRoot}`);
  }
  const images = session.from(storePeer(other, image));
  const source = `containers-storage:[${where.graphRoot}]${reference}`;
  return await images.load({ source, signal: session.signal, onProgress });
}
