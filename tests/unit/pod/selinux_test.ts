import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { noSecurityContext } from "../../../src/pod/security_context.ts";
import {
  newContainerLabels,
  newPodLabels,
  type PodSelinux,
  seeksLevel,
  specSelinux,
} from "../../../src/pod/selinux.ts";
import type { ContainerRecord, Store } from "../../../src/storage/mod.ts";

const PROCESS = "system_u:system_r:container_t:s0:c1,c2";
const MOUNT = "system_u:object_r:container_file_t:s0:c1,c2";
const LABELS = { process: PROCESS, mount: MOUNT };
const OPTIONS = { user: "", role: "", type: "", level: "" };
const SECURITY = noSecurityContext();

describe("SELinux labels of pods", () => {
  let kernel: string;
  before(async () => {
    kernel = await Deno.makeTempDir({ prefix: "crid-selinuxfs-" });
    await Deno.writeTextFile(join(kernel, "context"), "");
  });
  after(() => Deno.remove(kernel, { recursive: true }));

  const contextWith = (labels: readonly (typeof LABELS)[], selinux: Partial<PodSelinux> = {}) => ({
    options: {
      selinux: {
        policy: {
          kernel,
          process: "system_u:system_r:container_t:s0",
          file: "system_u:object_r:container_file_t:s0",
          readOnlyFile: "system_u:object_r:container_ro_file_t:s0",
          init: "system_u:system_r:container_init_t:s0",
        },
        hostNetwork: "unconfined" as const,
        ...selinux,
      },
    },
    store: {
      containers: () =>
        Promise.resolve(labels.map((each) => ({ labels: each }) as unknown as ContainerRecord)),
    } as unknown as Store,
  });
  const off = { ...contextWith([]), options: { selinux: undefined } };

  it("are none where SELinux is off", async () => {
    assert.equal(seeksLevel(off, SECURITY), false);
    assert.equal(await newPodLabels(off, SECURITY), undefined);
    assert.equal(newContainerLabels(off, { labels: LABELS }, SECURITY), undefined);
    assert.equal(specSelinux(off, LABELS, SECURITY, {}), undefined);
  });

  it("have a level that no container of the store has", async () => {
    const context = contextWith([LABELS]);
    assert.equal(seeksLevel(context, SECURITY), true);
    const labels = await newPodLabels(context, SECURITY);
    const level = /^system_u:system_r:container_t:(s0:c\d+,c\d+)$/.exec(labels?.process ?? "")?.[1];
    assert.ok(level !== undefined && level !== "s0:c1,c2", `level ${level}`);
    assert.equal(labels?.mount, `system_u:object_r:container_file_t:${level}`);
  });

  it("have the level that is asked for, also if others have it", async () => {
    const security = { ...SECURITY, selinux: { ...OPTIONS, level: "s0:c1,c2" } };
    const context = contextWith([LABELS]);
    assert.equal(seeksLevel(context, security), false);
    assert.deepEqual(await newPodLabels(context, security), LABELS);
  });

  it("are not given to containers of a pod that was made without", () => {
    const context = contextWith([]);
    assert.equal(newContainerLabels(context, { labels: undefined }, SECURITY), undefined);
    assert.deepEqual(newContainerLabels(context, { labels: LABELS }, SECURITY), LABELS);
  });

  const spec = (
    security: Partial<typeof SECURITY>,
    annotations: Record<string, string> = {},
    selinux: Partial<PodSelinux> = {},
  ) => {
    const context = contextWith([], selinux);
    const asked = { ...SECURITY, ...security };
    const labels = newContainerLabels(context, { labels: LABELS }, asked);
    const found = specSelinux(context, labels, asked, annotations);
    assert.ok(found !== undefined);
    return found;
  };
  const namespaces = (modes: object) => ({ namespaces: { ...SECURITY.namespaces, ...modes } });

  it("are both applied to a container", () => {
    const { process, mount, init, relabel } = spec({});
    assert.equal(process, PROCESS);
    assert.equal(mount, MOUNT);
    assert.equal(init, PROCESS.replace("container_t", "container_init_t"));
    assert.equal(relabel, "always");
  });

  it("leave the process of a privileged container to the policy, and label its files", () => {
    const { process, mount } = spec({ privileged: true });
    assert.deepEqual({ process, mount }, { process: "", mount: MOUNT });
  });

  it("are not applied to what uses the host's processes or memory", () => {
    for (const modes of [{ pid: "node" }, { ipc: "node" }]) {
      const { process, mount } = spec(namespaces(modes));
      assert.deepEqual({ process, mount }, { process: "", mount: "" });
    }
  });

  it("are applied to processes in the host's network as configured", () => {
    const open = spec(namespaces({ network: "node" }));
    assert.deepEqual([open.process, open.mount], ["", MOUNT]);
    const confined = spec(namespaces({ network: "node" }), {}, { hostNetwork: "confined" });
    assert.deepEqual([confined.process, confined.mount], [PROCESS, MOUNT]);
  });

  it("are not put on volumes of super-privileged containers", () => {
    assert.equal(spec({ selinux: { ...OPTIONS, type: "spc_t" } }).relabel, "never");
  });

  it("are not put on volumes that have them, if the pod's annotation says so", () => {
    for (
      const key of [
        "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel",
        "try-skip-volume-selinux-label.crio.io",
      ]
    ) {
      assert.equal(spec({}, { [key]: "true" }).relabel, "unless labelled");
      assert.equal(spec({}, { [key]: "false" }).relabel, "always");
    }
  });
});
