import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import {
  namespaceOptionsJson,
  portMappingsJson,
  readNamespaceOptions,
  readPortMappings,
  readVolumes,
  volumesJson,
} from "../../../src/pod/annotations.ts";
import { fromRfc3339, toRfc3339 } from "../../../src/pod/time.ts";
import type { MountRequest, NamespaceOptions } from "../../../src/oci/mod.ts";

describe("annotations of a spec", () => {
  it("keep namespace options with their id maps", () => {
    const options: NamespaceOptions = {
      network: "node",
      pid: "target",
      ipc: "pod",
      targetId: "abc",
      user: {
        mode: "pod",
        maps: {
          uids: [{ containerId: 0, hostId: 100000, size: 65536 }],
          gids: [{ containerId: 0, hostId: 200000, size: 65536 }],
        },
      },
    };
    assert.deepEqual(readNamespaceOptions(namespaceOptionsJson(options)), options);
  });

  it("keep every field of a mount, and the id of an image volume", () => {
    const mounts: MountRequest[] = [
      {
        containerPath: "/a",
        hostPath: "/b",
        readonly: true,
        recursiveReadonly: true,
        selinuxRelabel: true,
        propagation: "bidirectional",
        idMaps: {
          uids: [{ containerId: 0, hostId: 1, size: 2 }],
          gids: [{ containerId: 3, hostId: 4, size: 5 }],
        },
      },
      {
        containerPath: "/i",
        hostPath: "",
        readonly: true,
        recursiveReadonly: false,
        selinuxRelabel: false,
        propagation: "private",
        image: { reference: "busybox", subPath: "etc" },
      },
    ];
    const images = new Map([["/i", "f".repeat(64)]]);
    assert.deepEqual(readVolumes(volumesJson(mounts, images)), { mounts, images });
  });

  it("keep port mappings", () => {
    const mappings = [
      { protocol: "udp", containerPort: 53, hostPort: 5353, hostIp: "::1" },
    ] as const;
    assert.deepEqual(readPortMappings(portMappingsJson(mappings)), mappings);
  });

  it("read what Go writes for empty lists", () => {
    assert.deepEqual(readPortMappings("null"), []);
    assert.deepEqual(readVolumes("null").mounts, []);
    assert.deepEqual(readNamespaceOptions(undefined).user.mode, "node");
  });
});

describe("times", () => {
  it("keep their nanoseconds through RFC 3339", () => {
    const time = 1_700_000_000_123_456_789n;
    assert.equal(toRfc3339(time), "2023-11-14T22:13:20.123456789Z");
    assert.equal(fromRfc3339(toRfc3339(time)), time);
  });

  it("are read with a zone and with any number of digits, as Go writes them", () => {
    assert.equal(fromRfc3339("2023-11-14T23:13:20.5+01:00"), 1_700_000_000_500_000_000n);
    assert.equal(fromRfc3339("2023-11-14T22:13:20Z"), 1_700_000_000_000_000_000n);
    assert.equal(fromRfc3339("0001-01-01"), 0n);
  });
});
