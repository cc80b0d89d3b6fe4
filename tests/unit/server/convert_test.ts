import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import * as api from "../../../src/gen/runtime/v1/api.ts";
import { readContainerConfig, readContainerFilter } from "../../../src/server/convert/container.ts";
import { toId, toInt64, toSeconds, toUint64 } from "../../../src/server/convert/numbers.ts";
import { readResources, writeResources } from "../../../src/server/convert/resources.ts";
import { readSandboxConfig, readSandboxFilter } from "../../../src/server/convert/sandbox.ts";
import { readContainerSecurity } from "../../../src/server/convert/security.ts";
import { readSignal, writeSignal } from "../../../src/server/convert/signals.ts";
import { readMount, writeMount } from "../../../src/server/convert/mounts.ts";
import { readPath } from "../../../src/server/convert/text.ts";

const METADATA = { name: "n", namespace: "ns", uid: "u", attempt: 1 };
const sandbox = (config: Parameters<typeof api.PodSandboxConfig.fromPartial>[0]) =>
  readSandboxConfig(api.PodSandboxConfig.fromPartial({ metadata: METADATA, ...config }));
const container = (config: Parameters<typeof api.ContainerConfig.fromPartial>[0]) =>
  readContainerConfig(api.ContainerConfig.fromPartial({
    metadata: { name: "c" },
    image: { image: "busybox" },
    ...config,
  }));
const security = (
  context: Parameters<typeof api.LinuxContainerSecurityContext.fromPartial>[0],
) => readContainerSecurity(api.LinuxContainerSecurityContext.fromPartial(context))!;

function refuses(what: RegExp, read: () => unknown): void {
  assert.throws(read, { code: "invalid_argument", message: what });
}

describe("a sandbox config", () => {
  it("needs a name, a namespace and a uid", () => {
    refuses(/sandbox config is missing/, () => readSandboxConfig(undefined));
    refuses(/no metadata/, () => sandbox({ metadata: undefined }));
    refuses(/pod name "" is missing/, () => sandbox({ metadata: { ...METADATA, name: "" } }));
    refuses(
      /pod namespace "" is missing/,
      () => sandbox({ metadata: { ...METADATA, namespace: "" } }),
    );
    refuses(/pod uid "" is missing/, () => sandbox({ metadata: { ...METADATA, uid: "" } }));
  });

  it("is read whole", () => {
    const config = sandbox({
      hostname: "h",
      logDirectory: "/logs",
      dnsConfig: { servers: ["1.1.1.1"], searches: ["x"], options: ["ndots:5"] },
      portMappings: [{ protocol: 1, containerPort: 80, hostPort: 8080, hostIp: "127.0.0.1" }],
      labels: { a: "b" },
      annotations: { c: "d" },
      linux: {
        cgroupParent: "/kubepods",
        sysctls: { "net.core.somaxconn": "1024" },
        securityContext: {
          namespaceOptions: { network: 2, pid: 1, ipc: 0 },
          runAsUser: { value: 7n },
          seccomp: {},
        },
        resources: { memoryLimitInBytes: 5n },
      },
    });
    assert.equal(config.hostname, "h");
    assert.deepEqual(config.dns, { servers: ["1.1.1.1"], searches: ["x"], options: ["ndots:5"] });
    assert.deepEqual(config.portMappings, [
      { protocol: "udp", containerPort: 80, hostPort: 8080, hostIp: "127.0.0.1" },
    ]);
    assert.equal(config.cgroupParent, "/kubepods");
    assert.equal(config.security.namespaces.network, "node");
    assert.equal(config.security.namespaces.pid, "container");
    assert.equal(config.security.namespaces.user.mode, "node");
    assert.equal(config.security.runAsUser, 7);
    assert.deepEqual(config.security.seccomp, { kind: "runtime_default", localhostRef: "" });
    assert.equal(config.resources?.memoryLimit, 5);
    assert.equal(config.overhead, undefined);
  });

  it("gets the pod's namespaces when it does not say otherwise", () => {
    for (const linux of [undefined, {}, { securityContext: {} }]) {
      const { network, pid, ipc } = sandbox({ linux }).security.namespaces;
      assert.deepEqual([network, pid, ipc], ["pod", "pod", "pod"]);
    }
  });

  it("is refused for what CRI forbids", () => {
    refuses(/log directory "x" is not absolute/, () => sandbox({ logDirectory: "x" }));
    refuses(/70000 is not a port/, () => sandbox({ portMappings: [{ hostPort: 70_000 }] }));
    const protocol = 9 as api.Protocol;
    refuses(/protocol 9/, () => sandbox({ portMappings: [{ protocol }] }));
    refuses(
      /greater than maximum size \(4096 bytes\), key: kkk/,
      () => sandbox({ labels: { kkk: "v".repeat(4094) } }),
    );
    const mode = (network: number) => ({
      linux: { securityContext: { namespaceOptions: { network } } },
    });
    refuses(/namespace mode 17/, () => sandbox(mode(17)));
  });

  it("takes one mapping from container id 0 for a user namespace, and nothing else", () => {
    const withUser = (usernsOptions: object) =>
      sandbox({ linux: { securityContext: { namespaceOptions: { usernsOptions } } } });
    const good = { hostId: 1000, containerId: 0, length: 100_000 };
    const { user } = withUser({ mode: 0, uids: [good], gids: [good] }).security.namespaces;
    assert.equal(user.mode, "pod");
    assert.deepEqual(user.maps.uids, [{ hostId: 1000, containerId: 0, size: 100_000 }]);
    refuses(
      /exactly one mapping, got 2/,
      () => withUser({ mode: 0, uids: [good, good], gids: [good] }),
    );
    refuses(/exactly one mapping, got 0/, () => withUser({ mode: 0, uids: [good] }));
    const off = { ...good, containerId: 1 };
    refuses(/container id 0/, () => withUser({ mode: 0, uids: [off], gids: [off] }));
    refuses(/unsupported pod mode: container/, () => withUser({ mode: 1 }));
    refuses(/unsupported pod mode: target/, () => withUser({ mode: 3 }));
  });
});

describe("a path of a request", () => {
  const path = (name: string) => readPath(name, "path");

  it("has what the kernel takes as one, to the last byte", () => {
    const longest = `/${"ü".repeat(127)}x`;
    assert.equal(path(longest), longest);
    refuses(/has a name of more than 255 bytes/, () => path(`${longest}x`));
    assert.equal(path("/abcd".repeat(819)).length, 4095);
    refuses(/^path "(\/abcd){20}…" is longer than 4095 bytes$/, () => path("/abcd".repeat(820)));
    refuses(/has a NUL character/, () => path("a\0"));
  });
});

describe("a container config", () => {
  it("needs a name and an image", () => {
    refuses(/container config is missing/, () => readContainerConfig(undefined));
    refuses(/no metadata/, () => container({ metadata: undefined }));
    refuses(/container name "" is missing/, () => container({ metadata: { name: "" } }));
    refuses(/image is missing/, () => container({ image: { image: "" } }));
  });

  it("has environment values that are bytes on the wire", () => {
    const value = new TextEncoder().encode("ü=1");
    assert.deepEqual(container({ envs: [{ key: "A", value }] }).env, [["A", "ü=1"]]);
  });

  it("has no security context when the request has none", () => {
    assert.equal(container({}).security, undefined);
    assert.equal(container({ linux: {} }).security, undefined);
    assert.notEqual(container({ linux: { securityContext: {} } }).security, undefined);
  });

  it("tells a missing seccomp profile from an empty one", () => {
    assert.equal(security({}).seccomp, undefined);
    assert.equal(security({ seccomp: {} }).seccomp?.kind, "runtime_default");
    assert.equal(security({ seccomp: { profileType: 1 } }).seccomp?.kind, "unconfined");
    refuses(
      /seccomp profile: localhost_ref is missing/,
      () => security({ seccomp: { profileType: 2 } }),
    );
  });

  it("understands the words of the deprecated profile fields", () => {
    assert.equal(security({ seccompProfilePath: "unconfined" }).seccomp?.kind, "unconfined");
    assert.deepEqual(security({ seccompProfilePath: "localhost//p.json" }).seccomp, {
      kind: "localhost",
      localhostRef: "/p.json",
    });
    const profile = security({ apparmorProfile: "runtime/default" }).apparmor;
    assert.equal(profile?.kind, "runtime_default");
    refuses(/AppArmor profile: unknown form "x"/, () => security({ apparmorProfile: "x" }));
  });

  it("tells user 0 from no user, and refuses ids that cannot be", () => {
    assert.equal(security({}).runAsUser, undefined);
    assert.equal(security({ runAsUser: { value: 0n } }).runAsUser, 0);
    refuses(/run_as_user -1/, () => security({ runAsUser: { value: -1n } }));
    refuses(/run_as_group 4294967295/, () => security({ runAsGroup: { value: 2n ** 32n - 1n } }));
    refuses(/supplemental group -5/, () => security({ supplementalGroups: [-5n] }));
    refuses(/exclude each other/, () => security({ runAsUser: { value: 1n }, runAsUsername: "a" }));
  });
});

describe("a mount", () => {
  it("comes back in a status as it was asked for", () => {
    const mount = api.Mount.fromPartial({
      containerPath: "/c",
      hostPath: "/h",
      readonly: true,
      recursiveReadOnly: true,
      selinuxRelabel: true,
      propagation: 2,
      uidMappings: [{ hostId: 5, containerId: 0, length: 9 }],
      gidMappings: [{ hostId: 6, containerId: 0, length: 9 }],
    });
    assert.deepEqual(writeMount(readMount(mount)), mount);
  });

  it("names the mounted image and its id", () => {
    const read = readMount(api.Mount.fromPartial({
      containerPath: "/c",
      image: { image: "app" },
      imageSubPath: "etc",
    }));
    assert.deepEqual(read.image, { reference: "app", subPath: "etc" });
    const { image } = writeMount({ ...read, imageId: "ab12" });
    assert.equal(image?.image, "ab12");
    assert.equal(image?.userSpecifiedImage, "app");
  });

  it("needs a place, and is either of a path or of an image", () => {
    refuses(
      /container_path is missing/,
      () => readMount(api.Mount.fromPartial({ hostPath: "/h" })),
    );
    refuses(/exclude each other/, () =>
      readMount(api.Mount.fromPartial({
        containerPath: "/c",
        hostPath: "/h",
        image: { image: "app" },
      })));
  });
});

describe("numbers", () => {
  it("are clamped to what the field can hold", () => {
    assert.equal(toInt64(2 ** 63), 2n ** 63n - 1n);
    assert.equal(toInt64(-1), -1n);
    assert.equal(toInt64(NaN), 0n);
    assert.equal(toUint64(-1), 0n);
    assert.equal(toUint64(2 ** 70), 2n ** 64n - 1n);
    assert.equal(toUint64(1.9), 1n);
    assert.equal(toSeconds(-3n), 0);
    assert.equal(toId(0n, "x"), 0);
  });

  it("of resources survive the way there and back", () => {
    const resources = api.LinuxContainerResources.fromPartial({
      cpuPeriod: 100_000n,
      cpuQuota: -1n,
      cpuShares: 1024n,
      memoryLimitInBytes: 1n << 33n,
      oomScoreAdj: -997n,
      cpusetCpus: "0-3",
      cpusetMems: "0",
      hugepageLimits: [{ pageSize: "2MB", limit: 1n << 21n }],
      unified: { "memory.high": "max" },
      memorySwapLimitInBytes: -1n,
    });
    assert.deepEqual(writeResources(readResources(resources)!), resources);
  });
});

describe("signals", () => {
  it("have the names that programs use, and come back as the same number", () => {
    assert.equal(readSignal(api.Signal.RUNTIME_DEFAULT), "");
    assert.equal(readSignal(api.Signal.SIGTERM), "SIGTERM");
    assert.equal(readSignal(api.Signal.SIGRTMINPLUS3), "SIGRTMIN+3");
    assert.equal(readSignal(api.Signal.SIGRTMAXMINUS14), "SIGRTMAX-14");
    const all = Object.values(api.Signal).filter((value) => typeof value === "number" && value > 0);
    for (const signal of all as number[]) assert.equal(writeSignal(readSignal(signal)), signal);
  });

  it("are refused, or left out, when CRI does not know them", () => {
    refuses(/stop signal 99/, () => readSignal(99 as api.Signal));
    assert.equal(writeSignal("SIGNONE"), api.Signal.RUNTIME_DEFAULT);
  });
});

describe("filters", () => {
  it("hold only the conditions that were set", () => {
    assert.deepEqual(readContainerFilter(undefined), {});
    assert.deepEqual(
      readContainerFilter(api.ContainerFilter.fromPartial({ state: { state: 0 } })),
      { state: "created", labels: {} },
    );
    assert.deepEqual(
      readSandboxFilter(api.PodSandboxFilter.fromPartial({
        id: "a",
        state: { state: 1 },
        labelSelector: { k: "v" },
      })),
      { id: "a", state: "notready", labels: { k: "v" } },
    );
  });
});
