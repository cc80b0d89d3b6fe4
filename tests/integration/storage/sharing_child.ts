/**
 * Changes a store for a while as a daemon does, beside others. Arguments: the store's options as JSON, a
 * name of its own, and for how many seconds. Prints as JSON the images that it has made and not removed.
 */
import { existsSync } from "node:fs";
import { openStore } from "../../../src/storage/mod.ts";
import { putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const [options = "", name = "", seconds = ""] = Deno.args;
const store = await openStore(JSON.parse(options));
const end = performance.now() + Number(seconds) * 1000;
// All processes have this layer in common.
const base = tarOf(entry("etc/", ""), entry("etc/shared", "x".repeat(3000)));
let looked = 0;
const kept: Record<string, string> = {};
for (let round = 0; performance.now() < end; round++) {
  const tag = `localhost/${name}:${round % 7}`;
  const { image } = await putImage(store, tag, [base, tarOf(entry(`${name}-${round % 7}`, "y"))]);
  kept[tag] = image.id;
  await store.setImageNames(image.id, [tag, `localhost/${name}-also:${round % 7}`]);
  const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
  await store.createContainer({ id, names: [id], image: image.id, metadata: "{}" });
  const rootfs = await store.mountContainer(id);
  // Tools with containers/storage before 1.44 do not know volatile layers: when one of them ends, it may
  // take the driver's home away with what is mounted in it.
  if (existsSync(`${rootfs}/etc/shared`)) looked++;
  await store.deleteContainer(id);
  if (round % 3 === 2) {
    await store.deleteImage(image.id);
    delete kept[tag];
  }
  if (round % 11 === 10) await store.collectGarbage();
}
if (looked === 0) throw new Error("no container has ever had its files");
console.log(JSON.stringify(kept));
