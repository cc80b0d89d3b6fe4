import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { BUSYBOX } from "../../images/mod.ts";
import {
  containerConfig,
  createContainer,
  type Crid,
  isolate,
  isServiceError,
  podConfig,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";

/** Everything of Docker Hub and the like is let through, all else must be signed. */
const SIGNED = {
  default: [{ type: "signedBy", keyType: "GPGKeys", keyData: "AAAA" }],
  transports: { docker: { "docker.io": [{ type: "insecureAcceptAnything" }] } },
};

describe("the policy on signatures", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let directory: string;

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-policy-" });
    stack.defer(() => Deno.remove(directory, { recursive: true }));
    await Deno.mkdir(join(directory, "policies"));
    await write("policy.json", { default: [{ type: "insecureAcceptAnything" }] });
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    crid = stack.use(
      await startCrid({
        registry: registry.host,
        isolation,
        settings: `[crio.image]
signature_policy = "${join(directory, "policy.json")}"
signature_policy_dir = "${join(directory, "policies")}"
`,
      }),
    );
    await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  });
  after(() => stack.disposeAsync());

  const write = (name: string, policy: unknown) =>
    Deno.writeTextFile(join(directory, name), JSON.stringify(policy));

  /** Makes containers of an image that is named in all the ways that clients name it. */
  async function attempt(change: Record<string, unknown> = {}): Promise<readonly string[]> {
    const { image } = await crid.client.image.imageStatus({ image: { image: BUSYBOX } });
    const pod = podConfig(crid);
    const sandbox = await runPod(crid, pod);
    const answers: string[] = [];
    for (
      const named of [
        { image: BUSYBOX },
        { image: image!.id, userSpecifiedImage: BUSYBOX },
        { image: image!.id },
        { image: image!.id, userSpecifiedImage: "docker.io/library/busybox" },
      ]
    ) {
      const config = containerConfig({ image: named, ...change });
      await createContainer(crid, sandbox, pod, config).then(
        () => answers.push("made"),
        (error) => answers.push(isServiceError(error) ? error.details : String(error)),
      );
    }
    await crid.client.runtime.removePodSandbox({ podSandboxId: sandbox });
    return answers;
  }

  it("lets images run that it lets in", async () => {
    assert.deepEqual(await attempt(), ["made", "made", "made", "made"]);
  });

  it("keeps images from running that were pulled under another one", async () => {
    await write("policy.json", SIGNED);
    const [byName, byId, unnamed, elsewhere] = await attempt();
    assert.match(byName!, /SignatureValidationFailed: .*no signature exists/);
    assert.match(byId!, /SignatureValidationFailed: .*no signature exists/);
    assert.match(unnamed!, /user specified image not specified, cannot verify image signature/);
    assert.equal(elsewhere, "made");
  });

  it("is that of the pod's namespace where this has one", async () => {
    await write("policy.json", { default: [{ type: "insecureAcceptAnything" }] });
    const own = `policies/${podConfig(crid).metadata!.namespace}.json`;
    await write(own, { default: [{ type: "reject" }] });
    const [byName] = await attempt();
    assert.match(byName!, /SignatureValidationFailed: .*is rejected by policy/);
    await Deno.remove(join(directory, own));
    assert.deepEqual(await attempt(), ["made", "made", "made", "made"]);
  });

  it("holds for images that are mounted, too", async () => {
    await write("policy.json", SIGNED);
    const mounts = [{ containerPath: "/v", readonly: true, image: { image: BUSYBOX } }];
    const [, , , mounted] = await attempt({ mounts });
    assert.match(mounted!, /ImageVolumeMountFailed|SignatureValidationFailed/);
  });
});
