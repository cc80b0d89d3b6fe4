import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import { deviceEdits, wantedDevices } from "../../../src/oci/cdi/devices.ts";
import { type CdiSpec, parseCdiSpec, parseDeviceName } from "../../../src/oci/cdi/spec_file.ts";
import { applyEdits } from "../../../src/oci/cdi/stage.ts";
import type { OciSpec } from "../../../src/oci/types.ts";

const YAML = `
cdiVersion: "0.6.0"
kind: vendor.com/gpu
containerEdits:
  env: ["ALL=1"]
devices:
- name: gpu0
  containerEdits:
    env: ["A=b=c", "PATH=/new"]
    deviceNodes:
    - path: /dev/gpu0
      hostPath: /dev/null
      permissions: rw
    - {path: /dev/known, type: c, major: 5, minor: 1, fileMode: 0o600, uid: 7}
    mounts:
    - {hostPath: /lib/gpu, containerPath: /usr/lib/gpu, options: [ro, nosuid]}
    hooks:
    - {hookName: createContainer, path: /bin/hook, args: [hook, run], timeout: 5}
    additionalGids: [44, 0]
- name: "gpu1"
`;

const spec = (): OciSpec => ({
  ociVersion: "1.0.0",
  process: {
    terminal: false,
    user: { uid: 1000, gid: 0, additionalGids: [0] },
    args: ["x"],
    env: ["PATH=/old", "B=1"],
    cwd: "/",
    noNewPrivileges: false,
  },
  root: { path: "/", readonly: false },
  mounts: [{ destination: "/usr/lib/gpu/deep", source: "/x", type: "bind", options: [] }],
  annotations: {},
  linux: { namespaces: [] },
});

describe("a CDI specification", () => {
  it("changes a container for each device that it asks for, and once for all", async () => {
    const cdi = await parseCdiSpec(YAML, "vendor.yaml");
    const files = [{ name: "vendor.yaml", path: "/cdi/vendor.yaml", directory: 0, content: cdi }];
    const edits = deviceEdits(["vendor.com/gpu=gpu0", "vendor.com/gpu=gpu1"], files);
    assert.equal(edits.length, 3);
    const oci = spec();
    for (const each of edits) applyEdits(oci, each);
    assert.deepEqual(oci.process.env, ["PATH=/new", "B=1", "ALL=1", "A=b=c"]);
    assert.deepEqual(
      oci.linux.devices?.map(({ path, major, minor, uid, gid }) => ({
        path,
        major,
        minor,
        uid,
        gid,
      })),
      [
        { path: "/dev/gpu0", major: 1, minor: 3, uid: 1000, gid: undefined },
        { path: "/dev/known", major: 5, minor: 1, uid: 7, gid: undefined },
      ],
    );
    assert.deepEqual(oci.linux.resources?.devices?.[0], {
      allow: true,
      type: "c",
      major: 1,
      minor: 3,
      access: "rw",
    });
    assert.deepEqual(oci.mounts.map(({ destination, options }) => [destination, options]), [
      ["/usr/lib/gpu", ["bind", "ro", "nosuid"]],
      ["/usr/lib/gpu/deep", []],
    ]);
    assert.deepEqual(oci.hooks?.["createContainer"], [
      { path: "/bin/hook", args: ["hook", "run"], timeout: 5 },
    ]);
    assert.deepEqual(oci.process.user.additionalGids, [44]);
  });

  it("may have the modes of nodes in octal, as YAML 1.1 and YAML 1.2 write them", async () => {
    const yaml = YAML.replace("fileMode: 0o600", "fileMode: 0640");
    for (const [text, mode] of [[YAML, 0o600], [yaml, 0o640]] as const) {
      const { devices } = await parseCdiSpec(text, "vendor.yaml");
      assert.equal(devices.get("gpu0")?.deviceNodes[1]?.fileMode, mode);
      assert.equal(devices.get("gpu0")?.deviceNodes[1]?.major, 5);
    }
  });

  it("is refused when it makes no sense", async () => {
    const json = (value: unknown) => parseCdiSpec(JSON.stringify(value), "a.json");
    const device = { name: "a", containerEdits: { env: ["A=b"] } };
    const good = { cdiVersion: "0.5.0", kind: "v.com/c", devices: [device] };
    assert.equal((await json(good)).devices.size, 1);
    await assert.rejects(json({ ...good, cdiVersion: "9" }), /cdiVersion "9" is not known/);
    await assert.rejects(json({ ...good, kind: "gpu" }), /is not vendor\/class/);
    await assert.rejects(json({ ...good, devices: [device, device] }), /device a is there twice/);
    await assert.rejects(json({ ...good, devices: [] }), /no devices/);
    const edit = (containerEdits: unknown) => json({ ...good, containerEdits });
    await assert.rejects(edit({ env: ["=x"] }), /is not NAME=value/);
    await assert.rejects(edit({ deviceNodes: [{ path: "null" }] }), /not an absolute path/);
    await assert.rejects(edit({ hooks: [{ hookName: "x", path: "/h" }] }), /x is no kind of hook/);
    await assert.rejects(parseCdiSpec("a: [", "a.yml"));
  });
});

describe("CDI devices", () => {
  const file = (directory: number, name: string, devices: string[]) => ({
    name,
    path: `/${directory}/${name}`,
    directory,
    content: {
      kind: "v.com/c",
      devices: new Map(devices.map((each) => [each, { ...NOTHING, env: [`FROM=${name}`] }])),
      edits: NOTHING,
    } satisfies CdiSpec,
  });
  const NOTHING = {
    env: [] as string[],
    deviceNodes: [],
    mounts: [],
    hooks: [],
    additionalGids: [],
    intelRdt: undefined,
  };

  it("are asked for by the request and by annotations, each once", () => {
    assert.deepEqual(
      wantedDevices(["v.com/c=a"], {
        "cdi.k8s.io/plugin": "v.com/c=a, v.com/c=b",
        other: "v.com/c=x",
      }),
      ["v.com/c=a", "v.com/c=b"],
    );
  });

  it("come from the last directory that has them", () => {
    const files = [file(0, "one", ["a", "b"]), file(1, "two", ["a"])];
    const from = (name: string) => deviceEdits([`v.com/c=${name}`], files).at(-1)?.env;
    assert.deepEqual(from("a"), ["FROM=two"]);
    assert.deepEqual(from("b"), ["FROM=one"]);
  });

  it("cannot be had when nobody or two of one directory have them", () => {
    const files = [file(0, "one", ["a"]), file(0, "two", ["a"])];
    assert.throws(
      () => deviceEdits(["v.com/c=a", "v.com/c=z", "nonsense"], files),
      /CDI device injection failed: unresolvable CDI devices v.com\/c=a, v.com\/c=z, nonsense/,
    );
  });

  it("have names of three parts", () => {
    assert.deepEqual(parseDeviceName("nvidia.com/gpu=all"), {
      kind: "nvidia.com/gpu",
      name: "all",
    });
    for (const bad of ["gpu=all", "v/c", "v/c=", "=x", "v/c=../x"]) {
      assert.equal(parseDeviceName(bad), undefined);
    }
  });
});
