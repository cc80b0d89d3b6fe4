import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  type Crid,
  isolate,
  isServiceError,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";

const IMAGE = { image: { image: "registry.k8s.io/crid/hello:latest" } };

describe("a daemon that is running", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["crid/hello"]));
    crid = stack.use(await startCrid({ registry: registry.host, isolation }));
  });
  after(() => stack.disposeAsync());

  const pull = () => crid.client.image.pullImage(IMAGE);
  const fails = (message: RegExp) =>
    assert.rejects(pull(), (error) => isServiceError(error) && message.test(error.details));

  it("pulls by the registries.conf and the policy that there are", async () => {
    const { directory, registriesConf } = crid.node;
    const policy = join(directory, "policy.json");
    const [conf, accept] = [await Deno.readTextFile(registriesConf), Deno.readTextFileSync(policy)];
    await pull();
    await Deno.writeTextFile(
      registriesConf,
      '[[registry]]\nlocation = "registry.k8s.io"\nblocked = true\n',
    );
    await fails(/is blocked/);
    await Deno.writeTextFile(registriesConf, conf);

    await Deno.writeTextFile(policy, JSON.stringify({ default: [{ type: "reject" }] }));
    await fails(/SignatureValidationFailed: .*rejected by policy/);
    await Deno.writeTextFile(policy, accept);
    await pull();
  });
});
