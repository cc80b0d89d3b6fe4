import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  containerLabels,
  freeLevel,
  initLabel,
  isKnownLabel,
  loadSelinuxPolicy,
  needsLevel,
  podLabels,
  selinuxEnabled,
  type SelinuxPlaces,
  type SelinuxPolicy,
} from "../../../src/security/mod.ts";

const ASKED = { user: "", role: "", type: "", level: "" };
const LXC_CONTEXTS = `process = "system_u:system_r:container_t:s0"
# a comment
file = "system_u:object_r:container_file_t:s0"
ro_file="system_u:object_r:container_ro_file_t:s0"
`;

/** Stands in for selinuxfs and the directory of policies. */
async function fakeHost(directory: string, contexts: string | undefined): Promise<SelinuxPlaces> {
  const kernel = join(directory, "selinuxfs");
  const policy = join(directory, "etc", "targeted", "contexts");
  for (const each of [kernel, policy]) await Deno.mkdir(each, { recursive: true });
  await Deno.writeTextFile(join(kernel, "enforce"), "1");
  await Deno.writeTextFile(join(kernel, "context"), "");
  await Deno.writeTextFile(
    join(directory, "etc", "config"),
    "# what it is\nSELINUX=enforcing\nSELINUXTYPE=targeted\n",
  );
  if (contexts !== undefined) await Deno.writeTextFile(join(policy, "lxc_contexts"), contexts);
  return { kernel, policies: join(directory, "etc"), contexts: join(directory, "contexts") };
}

describe("SELinux labels", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-selinux-" });
  });
  afterEach(() => Deno.remove(directory, { recursive: true }));

  const policyWith = async (contexts = LXC_CONTEXTS): Promise<SelinuxPolicy> => {
    const policy = loadSelinuxPolicy(await fakeHost(directory, contexts));
    assert.ok(policy !== undefined);
    return policy;
  };

  it("are those that the policy in use has for containers", async () => {
    const policy = await policyWith();
    assert.equal(policy.process, "system_u:system_r:container_t:s0");
    assert.equal(policy.file, "system_u:object_r:container_file_t:s0");
    assert.equal(policy.readOnlyFile, "system_u:object_r:container_ro_file_t:s0");
    assert.equal(policy.init, policy.process);
  });

  it("come from the containers' own file before the policy's", async () => {
    const places = await fakeHost(directory, LXC_CONTEXTS);
    const own = LXC_CONTEXTS.replace("container_t", "other_t") +
      'init_process = "system_u:system_r:container_init_t:s0"\n';
    await Deno.writeTextFile(places.contexts ?? "", own);
    const policy = loadSelinuxPolicy(places);
    assert.equal(policy?.process, "system_u:system_r:other_t:s0");
    assert.equal(policy?.init, "system_u:system_r:container_init_t:s0");
  });

  it("are not there where the kernel or the policy has none", async () => {
    const places = await fakeHost(directory, undefined);
    assert.equal(loadSelinuxPolicy(places), undefined);
    assert.equal(selinuxEnabled(places), true);
    const nowhere = { ...places, kernel: join(directory, "none") };
    assert.equal(selinuxEnabled(nowhere), false);
    assert.equal(loadSelinuxPolicy(nowhere), undefined);
  });

  it("of a pod have the level that was found for it, its files too", async () => {
    const policy = await policyWith();
    assert.equal(needsLevel(policy, undefined), true);
    assert.deepEqual(podLabels(policy, undefined, "s0:c5,c6"), {
      process: "system_u:system_r:container_t:s0:c5,c6",
      mount: "system_u:object_r:container_file_t:s0:c5,c6",
    });
  });

  it("of a pod have what it asks for: user and level also for its files", async () => {
    const policy = await policyWith();
    const asked = { user: "staff_u", role: "staff_r", type: "spc_t", level: "s0:c1,c2" };
    assert.equal(needsLevel(policy, asked), false);
    assert.deepEqual(podLabels(policy, asked, ""), {
      process: "staff_u:staff_r:spc_t:s0:c1,c2",
      mount: "staff_u:object_r:container_file_t:s0:c1,c2",
    });
  });

  it("of a container are its pod's, but for what it asks for itself", async () => {
    const policy = await policyWith();
    const pod = podLabels(policy, { ...ASKED, type: "mine_t" }, "s0:c5,c6");
    assert.deepEqual(containerLabels(policy, pod, undefined), pod);
    assert.deepEqual(containerLabels(policy, pod, { ...ASKED, level: "s0:c7" }), {
      process: "system_u:system_r:mine_t:s0:c7",
      mount: "system_u:object_r:container_file_t:s0:c7",
    });
  });

  it("have no level in a policy without levels", async () => {
    const policy = await policyWith(LXC_CONTEXTS.replaceAll(":s0", ""));
    assert.equal(needsLevel(policy, undefined), false);
    assert.deepEqual(podLabels(policy, undefined, ""), {
      process: "system_u:system_r:container_t",
      mount: "system_u:object_r:container_file_t",
    });
  });

  it("of systemd have the type for it, unless another was asked for", async () => {
    const init = 'init_process = "system_u:system_r:container_init_t:s0"\n';
    const policy = await policyWith(LXC_CONTEXTS + init);
    const { process } = podLabels(policy, undefined, "s0:c5,c6");
    assert.equal(
      initLabel(policy, process, undefined),
      "system_u:system_r:container_init_t:s0:c5,c6",
    );
    assert.equal(initLabel(policy, process, { ...ASKED, type: "container_t" }), process);
    const asked = podLabels(policy, { ...ASKED, type: "mine_t" }, "s0:c5,c6").process;
    assert.equal(initLabel(policy, asked, undefined), asked);
    assert.equal(initLabel(policy, "", undefined), "");
  });

  it("are refused when the loaded policy does not have them", async () => {
    const places = await fakeHost(directory, LXC_CONTEXTS);
    const context = join(places.kernel ?? "", "context");
    await Deno.remove(context);
    // Answers as the kernel does to a label that it does not know.
    await Deno.symlink("/proc/self/oom_score_adj", context);
    const policy = loadSelinuxPolicy(places);
    assert.ok(policy !== undefined);
    assert.equal(isKnownLabel(policy, policy.process), false);
    assert.throws(() => podLabels(policy, { ...ASKED, type: "none_t" }, "s0:c1,c2"), {
      code: "invalid_argument",
      message:
        /^SELinux label system_u:system_r:none_t:s0:c1,c2: the policy of this host has no such/,
    });
  });

  it("are refused when they would mean something else to mount(2)", async () => {
    const policy = await policyWith();
    for (const part of ["type", "user", "role", "level"]) {
      assert.throws(
        () => podLabels(policy, { ...ASKED, [part]: 'x",rw,"' }, "s0:c1,c2"),
        { code: "invalid_argument", message: /characters that no/ },
      );
    }
    assert.throws(() => podLabels(policy, { ...ASKED, type: "a:b" }, "s0"), /no type has/);
  });
});

describe("SELinux levels", () => {
  it("are two categories that nobody has, in order", () => {
    const taken = new Set<string>();
    for (let count = 0; count < 200; count++) {
      const level = freeLevel(Array.from(taken, (each) => `u:r:t:${each}`));
      const [, first, second] = /^s0:c(\d+),c(\d+)$/.exec(level) ?? [];
      assert.ok(Number(first) < Number(second) && Number(second) < 1024, level);
      assert.ok(!taken.has(level), `${level} is given twice`);
      taken.add(level);
    }
  });

  it("count as taken however their categories are written", () => {
    const pairs = [0, 1, 2, 3].flatMap((first) =>
      [0, 1, 2, 3].filter((second) => second > first).map((second) => `s0:c${second},c${first}`)
    );
    const taken = pairs.filter((pair) => pair !== "s0:c3,c1").map((level) => `u:r:t:${level}`);
    assert.equal(freeLevel(taken, 4), "s0:c1,c3");
    assert.throws(() => freeLevel([...taken, "u:r:t:s0:c1,c3"], 4), {
      code: "resource_exhausted",
      message: /6 of them are in use/,
    });
  });
});
