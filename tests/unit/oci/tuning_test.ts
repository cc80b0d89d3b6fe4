import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { dirname, join } from "@std/path";
import type { OciSpec } from "../../../src/oci/mod.ts";
import { banInterrupts, restoreInterrupts } from "../../../src/oci/tuning/interrupts.ts";
import { cpuTuning } from "../../../src/oci/tuning/request.ts";
import { tuneCpus, type TuningPlaces, untuneCpus } from "../../../src/oci/tuning/tuning.ts";

const GUARANTEED = "/kubepods/pod1/crio-1";
const LATENCY = "power/pm_qos_resume_latency_us";
const GOVERNOR = "cpufreq/scaling_governor";

function spec(
  annotations: Record<string, string>,
  cpu = { cpus: "2-3", shares: 2048 },
  cgroupsPath = GUARANTEED,
): OciSpec {
  const linux = { namespaces: [], cgroupsPath, resources: { cpu } };
  return { annotations, linux, process: { env: [] } } as unknown as OciSpec;
}

describe("what a container asks of its CPUs", () => {
  it("is said by the annotations of its pod, or by those for it alone", () => {
    const pod = {
      "irq-load-balancing.crio.io": "disable",
      "irq-load-balancing.crio.io/main": "housekeeping",
      "cpu-quota.crio.io": "true",
      "cpu-c-states.crio.io": "max_latency:10",
      "cpu-freq-governor.crio.io": "performance",
    };
    assert.deepEqual(cpuTuning(spec(pod)), {
      cpus: [2, 3],
      interrupts: "elsewhere",
      quota: "removed",
      latency: "10",
      governor: "performance",
    });
    const main = { ...pod, "io.kubernetes.container.name": "main" };
    assert.equal(cpuTuning(spec(main))?.interrupts, "housekeeping");
  });

  it("is nothing without annotations, and where the CPUs are not its own", () => {
    assert.equal(cpuTuning(spec({ other: "x" })), undefined);
    const irq = { "irq-load-balancing.crio.io": "disable" };
    assert.equal(cpuTuning(spec(irq, { cpus: "2", shares: 500 })), undefined);
    const burstable = "/kubepods/burstable/pod1/crio-1";
    assert.equal(cpuTuning(spec(irq, { cpus: "2", shares: 1024 }, burstable)), undefined);
  });

  it("leaves out the CPUs that it shares", () => {
    const shared = spec({ "irq-load-balancing.crio.io": "disable" }, {
      cpus: "2,6-7",
      shares: 1024,
    });
    shared.process.env.push("OPENSHIFT_ISOLATED_CPUS=2", "OPENSHIFT_SHARED_CPUS=6-7");
    assert.deepEqual(cpuTuning(shared)?.cpus, [2]);
  });

  it("takes a quota away without CPUs of its own", () => {
    const { cpus, quota } = cpuTuning(
      spec({ "cpu-quota.crio.io": "disable" }, { cpus: "", shares: 1024 }),
    )!;
    assert.deepEqual({ cpus, quota }, { cpus: [], quota: "removed" });
  });

  it("is refused when it makes no sense, or is not done here", () => {
    const refused = (annotations: Record<string, string>, code: string, message: RegExp) =>
      assert.throws(() => cpuTuning(spec(annotations)), { code, message });
    refused({ "cpu-c-states.crio.io": "max_latency:-1" }, "invalid_argument", /max_latency:<µs>/);
    refused({ "cpu-load-balancing.crio.io": "disable" }, "unimplemented", /isolcpus/);
    assert.throws(
      () => cpuTuning(spec({ "cpu-c-states.crio.io": "disable" }, { cpus: "", shares: 1024 })),
      { code: "invalid_argument", message: /static CPU manager/ },
    );
  });
});

describe("the CPUs of a container", () => {
  let root: string;
  let places: TuningPlaces;
  const path = (name: string) => join(root, name);
  const read = (name: string) => Deno.readTextFileSync(path(name)).trim();
  const write = (name: string, text: string) => {
    Deno.mkdirSync(dirname(path(name)), { recursive: true });
    Deno.writeTextFileSync(path(name), text);
  };

  const program = (name: string, script: string) =>
    Deno.writeTextFileSync(path(name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  beforeEach(() => {
    root = Deno.makeTempDirSync({ prefix: "crid-cpus-" });
    places = {
      affinity: path("affinity"),
      balancer: path("irqbalance"),
      cpus: path("cpus"),
      saved: path("saved"),
      programs: { systemctl: path("systemctl"), irqbalance: path("irqbalance-program") },
    };
    program("systemctl", 'echo "$@" >> $(dirname $0)/told; test -e $(dirname $0)/is-service');
    program("irqbalance-program", 'echo "$@ $IRQBALANCE_BANNED_CPUS" >> $(dirname $0)/told');
    write("affinity", "ff\n");
    write("irqbalance", `# kept\nIRQBALANCE_BANNED_CPUS="0"\nOTHER=1\n`);
    for (let cpu = 0; cpu < 8; cpu++) {
      write(`cpus/cpu${cpu}/${LATENCY}`, "0\n");
      write(`cpus/cpu${cpu}/${GOVERNOR}`, "powersave\n");
      write(`cpus/cpu${cpu}/cpufreq/scaling_available_governors`, "performance powersave\n");
      write(`cpus/cpu${cpu}/topology/thread_siblings_list`, `${cpu & ~1}-${cpu | 1}\n`);
    }
  });
  afterEach(() => Deno.removeSync(root, { recursive: true }));

  const everything = {
    cpus: [2, 3, 4, 5],
    interrupts: "elsewhere",
    quota: "kept",
    latency: "n/a",
    governor: "performance",
  } as const;

  it("are tuned while it runs, and as they were before when it has ended", async () => {
    await tuneCpus(everything, places);
    assert.equal(read("affinity"), "c3");
    assert.equal(read("irqbalance"), `# kept\nIRQBALANCE_BANNED_CPUS="3c"\nOTHER=1`);
    assert.deepEqual([read(`cpus/cpu2/${LATENCY}`), read(`cpus/cpu6/${LATENCY}`)], ["n/a", "0"]);
    assert.equal(read(`cpus/cpu5/${GOVERNOR}`), "performance");
    // Told twice, as after a crash: what was first is kept.
    await tuneCpus(everything, places);
    for (let times = 0; times < 2; times++) {
      await untuneCpus(everything, places);
      assert.equal(read("affinity"), "ff");
      assert.match(read("irqbalance"), /BANNED_CPUS="00"/);
      assert.equal(read(`cpus/cpu2/${LATENCY}`), "0");
      assert.equal(read(`cpus/cpu5/${GOVERNOR}`), "powersave");
    }
  });

  it("are told to irqbalance: by its service, or by running it once", async () => {
    await banInterrupts([1], places);
    write("is-service", "");
    await banInterrupts([2], places);
    Deno.removeSync(path("irqbalance"));
    await banInterrupts([3], places);
    assert.deepEqual(read("told").split("\n"), [
      ...["is-enabled irqbalance", "--oneshot 02"],
      ...["is-enabled irqbalance", "restart irqbalance"],
      "--oneshot 0e",
    ]);
  });

  it("keep interrupts on the first core for housekeeping", async () => {
    await tuneCpus({ ...everything, interrupts: "housekeeping" }, places);
    assert.equal(read("affinity"), "cf");
  });

  it("do not get interrupts that somebody else has kept from them", async () => {
    write("affinity", "0f\n");
    await tuneCpus(everything, places);
    assert.equal(read("affinity"), "03");
    await untuneCpus(everything, places);
    assert.equal(read("affinity"), "0f");
  });

  it("are many on large hosts", async () => {
    write("affinity", "ffff,ffffffff\n");
    await banInterrupts([0, 33], places);
    assert.equal(read("affinity"), "fffd,fffffffe");
    assert.match(read("irqbalance"), /BANNED_CPUS="0002,00000001"/);
  });

  it("are not all taken, and have only what they can have", async () => {
    const all = [0, 1, 2, 3, 4, 5, 6, 7];
    await assert.rejects(banInterrupts(all, places), /no CPU of the node would be left/);
    const odd = { ...everything, governor: "warp" };
    await assert.rejects(
      tuneCpus(odd, places),
      /CPU 2 cannot have cpufreq\/scaling_governor = warp/,
    );
    await assert.rejects(tuneCpus({ ...everything, cpus: [9] }, places), /CPU 9 cannot have/);
    await untuneCpus(odd, places);
    assert.equal(read(`cpus/cpu2/${LATENCY}`), "0");
  });

  it("get after a boot what irqbalance banned before any container", async () => {
    const original = path("original");
    await restoreInterrupts(places, original);
    assert.equal(read("original"), "0", "the first time it is written down");
    await tuneCpus(everything, places);
    await restoreInterrupts(places, original);
    assert.match(read("irqbalance"), /BANNED_CPUS="3c"/, "crid was only started again");
    write("affinity", "ff\n");
    await restoreInterrupts(places, original);
    assert.match(read("irqbalance"), /BANNED_CPUS="0"/);
  });
});
