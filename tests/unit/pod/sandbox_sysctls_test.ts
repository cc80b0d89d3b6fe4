import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { podSysctls } from "../../../src/pod/sandbox_sysctls.ts";
import { noSecurityContext } from "../../../src/pod/security_context.ts";

describe("a pod's sysctls", () => {
  const { namespaces } = noSecurityContext();

  it("are the configured ones with the pod's over them", () => {
    const configured = { "net.core.somaxconn": "1", "kernel.sem": "1" };
    const sysctls = podSysctls(configured, { "net.core.somaxconn": "2" }, namespaces);
    assert.deepEqual(sysctls, { "net.core.somaxconn": "2", "kernel.sem": "1" });
  });

  it("leave out what would change the host", () => {
    const asked = { "vm.swappiness": "1", "net.ipv4.ip_forward": "1", "kernel.shmmax": "1" };
    const host = { ...namespaces, network: "node" } as const;
    assert.deepEqual(podSysctls({}, asked, host), { "kernel.shmmax": "1" });
  });

  it("let everybody of a user namespace send echoes, and nobody beyond it", () => {
    const asked = { "net.ipv4.ping_group_range": "0 2147483647" };
    const maps = { uids: [], gids: [{ containerId: 0, hostId: 100_000, size: 65_536 }] };
    const mapped = { ...namespaces, user: { mode: "pod", maps } } as const;
    assert.deepEqual(podSysctls({}, asked, namespaces), asked);
    assert.deepEqual(podSysctls({}, asked, mapped), { "net.ipv4.ping_group_range": "0 65535" });
  });
});
