import { after, afterEach, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  containerConfig,
  Crid,
  execShell,
  exited,
  isolate,
  makeNode,
  output,
  type Partially,
  podConfig,
  runContainer,
  runPod,
  startImageRegistry,
} from "../../harness/mod.ts";
import { type ContainerConfig, NamespaceMode } from "../../../src/gen/runtime/v1/api.ts";

const NAMESPACES = { namespaceOptions: { pid: NamespaceMode.CONTAINER } };
const PRIVILEGED = { linux: { securityContext: { ...NAMESPACES, privileged: true } } };
const LOG_LIMIT = 8192;
/** What the profiles below do to chmod. */
const EPERM = 1;

/** Keys of crio.conf that no other test looks at from inside of a container. */
describe("the settings of a node", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let prefix: string;
  let profiles: string;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    const place = await Deno.makeTempDir({ prefix: "crid-settings-" });
    stack.defer(() => Deno.remove(place, { recursive: true }));
    prefix = join(place, "prefix");
    profiles = join(place, "profiles");
    await Deno.mkdir(prefix);
    await Deno.mkdir(profiles);
    for (
      const [name, action] of [["refuse", "SCMP_ACT_ERRNO"], ["kill", "SCMP_ACT_KILL_PROCESS"]]
    ) {
      await Deno.writeTextFile(join(profiles, `${name}.json`), profile(action!));
    }
    const node = await makeNode({
      registry: registry.host,
      settings: `[crio.runtime]
add_inheritable_capabilities = true
bind_mount_prefix = "${prefix}"
default_env = ["GREETING=hello"]
default_ulimits = ["nofile=1000:2000"]
drop_infra_ctr = false
log_size_max = ${LOG_LIMIT}
pids_limit = 77
privileged_seccomp_profile = "${join(profiles, "refuse.json")}"
seccomp_profile = "${join(profiles, "absent.json")}"
[crio.runtime.runtimes.own]
runtime_path = "/usr/sbin/runc"
runtime_root = "${join(place, "own-root")}"
monitor_env = ["MONITORED=yes"]
privileged_without_host_devices = true
seccomp_profile = "${join(profiles, "refuse.json")}"
`,
    });
    stack.defer(() => assert.deepEqual(Array.from(Deno.readDirSync(join(place, "own-root"))), []));
    crid = stack.use(new Crid(node, { isolation }));
    await crid.start();
  });
  after(() => stack.disposeAsync());
  afterEach(async () => {
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
  });

  /** A pod of a handler with one container. */
  async function start(handler: string, config: Partially<ContainerConfig> = {}) {
    const privileged = config.linux?.securityContext?.privileged === true;
    const pod = podConfig(crid, { linux: { securityContext: { privileged } } });
    const podSandboxId = await runPod(crid, pod, handler);
    const containerId = await runContainer(crid, podSandboxId, pod, containerConfig(config));
    const said = async (script: string) => (await execShell(crid, containerId, script)).stdout;
    return { podSandboxId, containerId, said };
  }

  it("limit the processes of a container, its open files and its log", async () => {
    const command = ["sh", "-c", "yes 0123456789 | head -c 100000; exec sleep 1000"];
    const { containerId, said } = await start("", { command });
    const pids = "cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null";
    assert.equal(await said(pids), "77\n");
    // Of its first process: `runc exec` before 1.1.13 may lose to Go, which raises the soft limit.
    const files = "awk '/open files/ { print $4, $5 }' /proc/1/limits";
    assert.equal(await said(`${files}; echo $GREETING`), "1000 2000\nhello\n");
    const { status } = await crid.client.runtime.containerStatus({ containerId });
    // What comes after the limit begins the file anew.
    assert.ok((await Deno.stat(status!.logPath)).size <= LOG_LIMIT);
  });

  it("make capabilities inheritable", async () => {
    const { said } = await start("");
    const sets = await said("grep -E '^Cap(Inh|Prm|Eff|Bnd)' /proc/1/status | cut -f2 | sort -u");
    assert.equal(sets.trim().split("\n").length, 1, sets);
    assert.notEqual(sets.trim(), "0".repeat(16));
  });

  it("find the sources of mounts below a prefix, and make those that are missing there", async () => {
    await Deno.mkdir(join(prefix, "there"));
    await Deno.writeTextFile(join(prefix, "there", "file"), "found\n");
    const { containerId, said } = await start("", {
      mounts: [
        { hostPath: "/there", containerPath: "/there" },
        { hostPath: "/missing/deep", containerPath: "/made" },
      ],
    });
    assert.equal(await said("cat /there/file; echo kept > /made/file"), "found\n");
    assert.equal(await Deno.readTextFile(join(prefix, "missing", "deep", "file")), "kept\n");
    const { status } = await crid.client.runtime.containerStatus({ containerId });
    assert.deepEqual(status?.mounts.map(({ hostPath }) => hostPath), ["/there", "/missing/deep"]);
  });

  it("keep an infra process in every pod", async () => {
    const { podSandboxId, said } = await start("");
    assert.match(await said("cat /proc/1/cmdline"), /sleep/);
    const verbose = await crid.client.runtime.podSandboxStatus({ podSandboxId, verbose: true });
    const { pid, runtimeSpec } = JSON.parse(verbose.info["info"]!);
    assert.match(await Deno.readTextFile(`/proc/${pid}/cmdline`), /pause/);
    assert.deepEqual(runtimeSpec.process.args, ["/pause"]);
    assert.equal(runtimeSpec.linux.resources.cpu.shares, 2);
  });

  it("filter the system calls of a privileged container", async () => {
    const { said } = await start("", PRIVILEGED);
    assert.match(await said("chmod 600 /tmp 2>&1"), /not permitted/);
    const plain = await start("", seccomp({ profileType: 0 }));
    assert.equal(await plain.said("chmod 600 /tmp 2>&1 && echo done"), "done\n");
  });

  it("name a profile that is not there, and containers get the default one", async () => {
    assert.match(crid.log, /Seccomp profile does not exist on disk, fallback to internal default/);
    const { said } = await start("", seccomp({ profileType: 0 }));
    assert.match(await said("grep Seccomp: /proc/self/status"), /2/);
  });

  it("give a handler a profile of its own for containers that ask for the default one", async () => {
    const { said } = await start("own", seccomp({ profileType: 0 }));
    assert.match(await said("chmod 600 /tmp 2>&1"), /not permitted/);
    const unconfined = await start("own", seccomp({ profileType: 1 }));
    assert.equal(await unconfined.said("chmod 600 /tmp && echo done"), "done\n");
  });

  it("keep the host's devices from privileged containers of a handler", async () => {
    const device = `/dev/crid-${crid.node.id}`;
    await using cleanup = new AsyncDisposableStack();
    cleanup.defer(() => Deno.remove(device));
    await output(crid.isolation, "mknod", [device, "c", "1", "3"]);
    const script = `test -c ${device} && echo there || echo missing`;
    assert.equal(await (await start("", PRIVILEGED)).said(script), "there\n");
    assert.equal(await (await start("own", PRIVILEGED)).said(script), "missing\n");
  });

  it("give a handler's runtime a directory, and its monitors an environment", async () => {
    const { containerId } = await start("own");
    const verbose = await crid.client.runtime.containerStatus({ containerId, verbose: true });
    const { pid } = JSON.parse(verbose.info["info"]!);
    const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
    const parent = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1];
    const environment = (await Deno.readTextFile(`/proc/${parent}/environ`)).split("\0");
    assert.ok(environment.includes("MONITORED=yes"), String(environment));
    const state = join(profiles, "..", "own-root", containerId);
    assert.ok((await Deno.stat(state)).isDirectory);
  });

  it("end a container that its profile kills with the signal's code", async () => {
    const { containerId } = await start("", {
      ...seccomp({ profileType: 2, localhostRef: join(profiles, "kill.json") }),
      command: ["chmod", "600", "/tmp"],
    });
    const { exitCode, reason } = await exited(crid, containerId);
    // SIGSYS
    assert.deepEqual([exitCode, reason], [128 + 31, "Error"]);
  });
});

function seccomp(seccomp: { profileType: number; localhostRef?: string }) {
  return { linux: { securityContext: { ...NAMESPACES, seccomp } } };
}

function profile(action: string): string {
  const names = ["chmod", "fchmod", "fchmodat", "fchmodat2"];
  const rule = { names, action, ...(action === "SCMP_ACT_ERRNO" && { errnoRet: EPERM }) };
  return JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] });
}
