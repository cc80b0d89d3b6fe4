import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { HostPorts } from "../../../src/network/host_ports/host_ports.ts";
import type { PodHostPorts } from "../../../src/network/host_ports/types.ts";

/** On one address of the host: on all, its kernel would be told to lead 127.0.0.1 to pods. */
const POD: PodHostPorts = {
  id: "1",
  name: "tests_web",
  ports: [{
    protocol: "tcp",
    family: 4,
    hostIp: "192.0.2.1",
    hostPort: 8080,
    podIp: "10.88.0.5",
    prefix: 16,
    containerPort: 80,
  }],
};

describe("the packet filter for host ports", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-filter-" });
  });
  afterEach(() => Deno.remove(directory, { recursive: true }));

  const path = (name: string) => join(directory, name);
  /** A stand-in that keeps what it is told in `<name>.told`. */
  const program = (name: string, script = "") =>
    Deno.writeTextFile(path(name), `#!/bin/sh\n${script}\ncat > ${path(name)}.told\n`, {
      mode: 0o755,
    });
  const told = (name: string) => Deno.readTextFile(path(`${name}.told`)).catch(() => "");
  const ports = () =>
    new HostPorts("crid_hostports_0123abcd", { nft: path("nft"), iptables: path("iptables") });
  const iptables = async () => {
    for (const family of ["iptables", "ip6tables"]) {
      await program(`${family}-save`, "echo '*nat'; exit 0");
      await program(`${family}-restore`);
    }
  };

  it("is nftables where both can be used", async () => {
    await program("nft");
    await iptables();
    await ports().add(POD);
    assert.match(await told("nft"), /192\.0\.2\.1 \. tcp \. 8080 : 10\.88\.0\.5 \. 80/);
    assert.equal(await told("iptables-restore"), "");
  });

  it("is iptables where nft is missing, or says that the kernel has no nftables", async () => {
    await iptables();
    for (const broken of [false, true]) {
      if (broken) await program("nft", "echo Protocol not supported >&2; exit 1");
      await ports().add(POD);
      assert.match(
        await told("iptables-restore"),
        /-A CRID-PORTS-0123ABCD -d 192\.0\.2\.1\/32 -p tcp .*--to-destination 10\.88\.0\.5:80/,
      );
      await Deno.remove(path("iptables-restore.told"));
    }
  });

  it("is missed only by pods that need it, and found as soon as it is there", async () => {
    const filter = ports();
    await filter.replace([]);
    await filter.add({ ...POD, ports: [] });
    await assert.rejects(filter.add(POD), {
      code: "failed_precondition",
      message:
        /^map the host ports of pod tests_web: neither nft nor iptables can be used: install/,
    });
    await program("nft");
    await filter.add(POD);
    assert.match(await told("nft"), /8080/);
  });

  it("that fails, now and then, leaves no port mapped of a pod that is not made", async () => {
    await program("nft", `[ "$1" = list ] || [ ! -e ${path("fail")} ] || { echo no >&2; exit 1; }`);
    const filter = ports();
    await filter.replace([]);
    await Deno.writeTextFile(path("fail"), "");
    await assert.rejects(filter.add(POD), /map the host ports of pod tests_web: \S+nft: no$/);
    await assert.rejects(filter.remove(POD.id), /nft: no$/);
    await Deno.remove(path("fail"));
    await filter.remove(POD.id);
    assert.doesNotMatch(await told("nft"), /8080/);
    await filter.add(POD);
    assert.match(await told("nft"), /8080/);
  });
});
