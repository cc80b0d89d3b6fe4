/** Changes a store without end, until it is killed. Argument: the store's options as JSON. */
import { openStore } from "../../../src/storage/mod.ts";
import { putImage } from "./fixture_store.ts";
import { entry, tarOf } from "./tar_bytes.ts";

const store = await openStore(JSON.parse(Deno.args[0]!));
console.log("ready");
for (let round = 0;; round++) {
  const tars = [tarOf(entry("base", "x".repeat(5000))), tarOf(entry(`top-${round}`, "y"))];
  const { image } = await putImage(store, `localhost/crash:${round % 3}`, tars);
  const id = crypto.randomUUID().replaceAll("-", "").repeat(2);
  await store.createContainer({ id, names: [id], image: image.id, metadata: "{}" });
  await store.mountContainer(id);
  await store.setContainerMetadata(id, '{"state":"running"}');
  await store.deleteContainer(id);
  if (round % 2 === 1) await store.deleteImage(image.id);
}
