import { CridError, errorMessage } from "../../failure/mod.ts";
import { formatReference, type Image, parseReference } from "../../image/mod.ts";
import { log } from "../../observe/mod.ts";
import { isOn } from "../arguments.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { formatBytes } from "./format.ts";
import { imageNamed, openSession, operands } from "./session.ts";

/** `crid image tag` */
export async function tag(call: Call): Promise<number> {
  const [name = "", ...more] = operands(call, 2);
  const names = more.map((each) => formatReference(parseReference(each)));
  await using session = await openSession(call);
  const { id } = await imageNamed(session, name);
  const record = await session.store.image(id);
  await session.store.setImageNames(id, [...new Set([...names, ...record?.names ?? []])]);
  return 0;
}

/** `crid image remove`; what cannot be removed does not keep the others. */
export async function remove(call: Call): Promise<number> {
  const names = operands(call, 1);
  await using session = await openSession(call);
  let failed = 0;
  for (const name of names) {
    try {
      const { id } = await imageNamed(session, name);
      await session.images.remove(name);
      const rest = (await session.store.image(id)) === undefined ? "Removed" : "Untagged";
      print(`${rest}: ${rest === "Removed" ? id : name}\n`);
    } catch (error) {
      failed++;
      log.error(errorMessage(error));
    }
  }
  return failed === 0 ? 0 : 1;
}

/** `crid image prune` */
export async function prune(call: Call): Promise<number> {
  operands(call, 0, 0);
  const [all, dry] = [isOn(call.given, "all"), isOn(call.given, "dry-run")];
  await using session = await openSession(call);
  const used = new Set((await session.store.containers()).map((container) => container.image));
  const unwanted = (await session.images.list()).filter((image) =>
    !used.has(image.id) && !image.pinned && (all || isNameless(image))
  );
  let [count, freed] = [0, 0];
  for (const { id, size, repoTags } of unwanted) {
    try {
      if (!dry) await session.images.remove(id);
      print(`${dry ? "Would remove" : "Removed"}: ${id} ${repoTags.join(" ")}`.trimEnd() + "\n");
      count++;
      freed += size;
    } catch (error) {
      // A container may have come meanwhile.
      log.warn(errorMessage(error));
    }
  }
  // Layers that images share are counted for each.
  print(`${count} images, up to ${formatBytes(freed)}\n`);
  return 0;
}

function isNameless({ repoTags, repoDigests }: Image): boolean {
  return repoTags.length === 0 && repoDigests.length === 0;
}

/** `crid image mount` */
export async function mount(call: Call): Promise<number> {
  const [name = ""] = operands(call, 1, 1);
  await using session = await openSession(call);
  const { id } = await imageNamed(session, name);
  print(await session.store.mountImage(id) + "\n");
  return 0;
}

/** `crid image unmount` */
export async function unmount(call: Call): Promise<number> {
  const names = operands(call, 1);
  await using session = await openSession(call);
  for (const name of names) {
    const image = await session.images.find(name);
    if (image === undefined) {
      throw new CridError("not_found", `image ${name} is not here`);
    }
    await session.store.unmountImage(image.id);
    print(image.id + "\n");
  }
  return 0;
}
