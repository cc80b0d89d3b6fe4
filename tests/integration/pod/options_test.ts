import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { NamespaceMode } from "../../../src/gen/runtime/v1/api.ts";
import { run } from "../../../src/linux/mod.ts";
import {
  containerConfig,
  type Crid,
  execShell,
  isolate,
  isServiceError,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startImageRegistry,
} from "../../harness/mod.ts";

/** Under runc a command in the container has another than its first process. */
const UMASK = "until test -s /umask; do :; done; cat /umask";
const WORKLOAD = "target.workload.test/management";
const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
/** @param runtimePath Of containers of images for this platform, with handler `other`. */
const settings = (allowed: readonly string[], runtimePath: string, directory: string) => `
[crio.runtime]
allowed_devices = ["/dev/null"]
hooks_dir = ["${directory}/hooks"]
cdi_spec_dirs = ["${directory}/cdi"]
default_mounts_file = "${directory}/mounts.conf"
min_injected_gomaxprocs = 3
infra_ctr_cpuset = "0"

[crio.runtime.runtimes.open]
runtime_path = "/usr/sbin/runc"
allowed_annotations = ${JSON.stringify(allowed)}
default_annotations = { "umask.crio.io" = "0027" }
container_min_memory = "500KiB"

[crio.runtime.runtimes.other]
runtime_path = "/usr/sbin/runc"
platform_runtime_paths = { "linux/${ARCHITECTURE}" = "${runtimePath}" }

[crio.runtime.workloads.management]
activation_annotation = "${WORKLOAD}"
annotation_prefix = "resources.workload.test"
allowed_annotations = ["umask.crio.io"]
resources = { cpushares = 33 }
`;

for (const runtime of ["runc", "crun"] as const) {
  describe(`pods that ask for special things under ${runtime}`, () => {
    const stack = new AsyncDisposableStack();
    let crid: Crid;
    let directory: string;

    before(async () => {
      directory = await Deno.makeTempDir({ prefix: "crid-options-" });
      stack.defer(() => Deno.remove(directory, { recursive: true }));
      const script = `#!/bin/sh\necho "$@" >> ${directory}/calls\nexec /usr/sbin/runc "$@"\n`;
      await Deno.writeTextFile(join(directory, "runtime"), script, { mode: 0o755 });
      await Deno.writeTextFile(join(directory, "subids"), "containers:500000:100000\n");
      await writeOptions(directory);
      const isolation = stack.use(await isolate());
      for (const file of ["/etc/subuid", "/etc/subgid"]) {
        const bind = ["mount", "--bind", join(directory, "subids"), file];
        const [command, ...args] = [...isolation.through, ...bind];
        assert.equal((await run(command!, args)).code, 0);
      }
      const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
      crid = stack.use(
        await startCrid({
          registry: registry.host,
          isolation,
          runtime,
          settings: settings(
            [
              "devices.crio.io",
              "umask.crio.io",
              "shm-size.crio.io",
              "userns-mode.crio.io",
              "io.containers.trace-syscall",
            ],
            join(directory, "runtime"),
            directory,
          ),
        }),
      );
    });
    after(async () => {
      await crid.removePods();
      assert.deepEqual(await crid.leftovers(), []);
      await stack.disposeAsync();
    });

    /** Runs a container in a pod of its own and a script in it. */
    async function inside(
      annotations: Record<string, string>,
      handler: string,
      script: string,
      config: Parameters<typeof containerConfig>[0] = {},
    ): Promise<{ text: string; pod: string; container: string }> {
      const sandbox = podConfig(crid, { annotations });
      const pod = await runPod(crid, sandbox, handler);
      const command = ["sh", "-c", "umask > /umask; exec sleep 100000"];
      const asked = containerConfig({ command, ...config });
      const container = await runContainer(crid, pod, sandbox, asked);
      const { stdout, stderr } = await execShell(crid, container, script);
      return { text: stdout + stderr, pod, container };
    }
    const remove = async (pod: string) => {
      await crid.client.runtime.stopPodSandbox({ podSandboxId: pod });
      await crid.client.runtime.removePodSandbox({ podSandboxId: pod });
    };

    it("get it from a handler that allows it, and from no other", async () => {
      const annotations = {
        "umask.crio.io": "0077",
        "devices.crio.io": "/dev/null:/dev/special:rw",
        "shm-size.crio.io": "8Mi",
        "example.com/plain": "kept",
      };
      const script = `${UMASK}; ls /dev/special; df -k /dev/shm | tail -1 | awk '{print $2}'`;
      const open = await inside(annotations, "open", script);
      assert.equal(open.text, "0077\n/dev/special\n8192\n");
      await remove(open.pod);
      const closed = await inside(annotations, runtime, script);
      assert.match(closed.text, /^0022\n65536\nls: .*special/);
      const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId: closed.pod });
      assert.deepEqual(status?.annotations, { "example.com/plain": "kept" });
      await remove(closed.pod);
    });

    it("get the handler's defaults when they say nothing themselves", async () => {
      const { text, pod } = await inside({}, "open", UMASK);
      assert.equal(text, "0027\n");
      await remove(pod);
    });

    it("get what their workload allows and sets", async () => {
      const annotations = {
        [WORKLOAD]: "",
        "umask.crio.io": "0007",
        "resources.workload.test/other": JSON.stringify({ cpushares: 44 }),
      };
      const { text, pod, container } = await inside(annotations, runtime, UMASK);
      assert.equal(text, "0007\n");
      const shares = async (containerId: string) => {
        const { status } = await crid.client.runtime.containerStatus({ containerId });
        return status?.resources?.linux?.cpuShares;
      };
      assert.equal(await shares(container), 33n);
      const sandbox = podConfig(crid, { annotations });
      const other = await runContainer(crid, pod, sandbox, {
        ...containerConfig({ metadata: { name: "other" } }),
      });
      assert.equal(await shares(other), 44n);
      await remove(pod);
    });

    it("trace the system calls of the container that they name", async () => {
      const annotations = { "io.containers.trace-syscall/main": "of:/tmp/x.json" };
      const { pod, container } = await inside(annotations, "open", "true");
      const { info } = await crid.client.runtime.containerStatus({
        containerId: container,
        verbose: true,
      });
      const spec = JSON.parse(info["info"]!).runtimeSpec;
      assert.equal(spec.annotations["io.containers.trace-syscall"], "of:/tmp/x.json");
      await remove(pod);
    });

    it("run with the ids that they name, as root inside and nobody outside", async () => {
      const mode = "private:uidmapping=0:300000:70000;gidmapping=0:400000:70000";
      const { text, pod, container } = await inside(
        { "userns-mode.crio.io": mode },
        "open",
        "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; id -u; " +
          "echo x > /file; stat -c %u:%g /file /bin/busybox /etc/hostname /dev/shm",
      );
      assert.equal(text, " 0 300000 70000\n 0 400000 70000\n0\n0:0\n0:0\n0:0\n0:0\n");
      const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId: pod });
      assert.equal(status?.linux?.namespaces?.options?.usernsOptions?.uids[0]?.hostId, 300000);
      await crid.client.runtime.removeContainer({ containerId: container });
      await remove(pod);
      await assert.rejects(
        inside({ "userns-mode.crio.io": "host" }, "open", "true"),
        (error) => isServiceError(error) && /invalid userns mode: "host"/.test(error.details),
      );
    });

    it("share the PID namespace of a user namespace with ids that were found for it", async () => {
      const namespaceOptions = { pid: NamespaceMode.POD };
      const linux = { securityContext: { namespaceOptions } };
      const annotations = { "userns-mode.crio.io": "auto:size=1000" };
      const [first, second] = [1, 2].map(() => podConfig(crid, { annotations, linux }));
      const pods = await Promise.all([runPod(crid, first!, "open"), runPod(crid, second!, "open")]);
      const hostIds = await Promise.all(pods.map(async (podSandboxId) => {
        const { status } = await crid.client.runtime.podSandboxStatus({ podSandboxId });
        return status?.linux?.namespaces?.options?.usernsOptions?.uids[0]?.hostId;
      }));
      assert.deepEqual(hostIds.sort(), [500_000, 501_000]);
      const container = await runContainer(crid, pods[0]!, first!, containerConfig({ linux }));
      const { stdout } = await execShell(crid, container, "cat /proc/1/comm; id -u");
      assert.equal(stdout, "pause\n0\n");
      const { info } = await crid.client.runtime.podSandboxStatus({
        podSandboxId: pods[0],
        verbose: true,
      });
      const status = await Deno.readTextFile(`/proc/${JSON.parse(info["info"]!).pid}/status`);
      assert.match(status, /^Cpus_allowed_list:\t0$/m);
      for (const pod of pods) await remove(pod);
    });

    it("are run by the runtime for the platform of their image", async () => {
      const { pod, container } = await inside({}, "other", "true");
      await remove(pod);
      const calls = await Deno.readTextFile(join(directory, "calls"));
      for (const call of ["create", "start", "exec", "delete"]) {
        assert.match(calls, new RegExp(`\\b${call}\\b.*${container}`));
      }
    });

    it("get the hooks, devices and files that the configuration has for them", async () => {
      const { text, pod } = await inside(
        { "test.example.com/hook": "on" },
        runtime,
        "cat /run/secrets/token; stat -c %a:%t:%T /dev/cdi; echo $FROM_CDI",
        { CDIDevices: [{ name: "test.example.com/thing=one" }] },
      );
      assert.equal(text, "secret\n604:1:3\nyes\n");
      assert.match(crid.log, /CDI registry has errors: \S+ \S+broken.yaml is left out/);
      assert.match(await Deno.readTextFile(join(directory, "hooked")), /"status": ?"/);
      await remove(pod);
      await assert.rejects(
        inside({}, runtime, "true", { CDIDevices: [{ name: "test.example.com/thing=two" }] }),
        (error) => isServiceError(error) && /unresolvable CDI devices/.test(error.details),
      );
    });

    it("cannot have less memory than they use, and tell what they have got", async () => {
      const memory = 64n << 20n;
      const linux = { resources: { memoryLimitInBytes: memory, cpuShares: 512n } };
      const { pod, container } = await inside({}, runtime, "true", { linux });
      const { runtime: client } = crid.client;
      const resources = async () => {
        const { status } = await client.containerStatus({ containerId: container });
        return status?.resources?.linux;
      };
      assert.equal((await resources())?.memoryLimitInBytes, memory);
      const fill = "head -c 20000000 /dev/zero > /dev/shm/fill";
      await execShell(crid, container, fill);
      await assert.rejects(
        client.updateContainerResources({
          containerId: container,
          linux: { memoryLimitInBytes: 10n << 20n },
        }),
        (error) =>
          isServiceError(error) &&
          /memory validation failed: cannot decrease memory limit to 10485760 bytes: current usage is \d+ bytes/
            .test(error.details),
      );
      await client.updateContainerResources({
        containerId: container,
        linux: { memoryLimitInBytes: 48n << 20n, cpuQuota: 50_000n, cpuPeriod: 100_000n },
      });
      const after = await resources();
      assert.equal(after?.memoryLimitInBytes, 48n << 20n);
      assert.equal(after?.cpuQuota, 50_000n);
      assert.equal(after?.cpuShares, 512n);
      await remove(pod);
    });

    it("have the resources recorded that the kubelet gives the whole pod", async () => {
      const pod = await runPod(crid, podConfig(crid));
      const { runtime: client } = crid.client;
      const resources = { cpuShares: 77n };
      await client.updatePodSandboxResources({ podSandboxId: pod, resources });
      const path = join(crid.node.storageRoot, "overlay-containers", pod, "userdata/config.json");
      const { annotations } = JSON.parse(await Deno.readTextFile(path));
      const recorded = JSON.parse(annotations["io.kubernetes.cri-o.PodLinuxResources"]);
      assert.equal(recorded.cpu_shares, 77);
      await assert.rejects(
        client.updatePodSandboxResources({ podSandboxId: "f".repeat(64), resources }),
        (error) => isServiceError(error) && error.code === 5,
      );
      await remove(pod);
    });
  });
}

/** A hook, a CDI device and a list of mounts. */
async function writeOptions(directory: string): Promise<void> {
  const at = (path: string) => join(directory, path);
  for (const path of ["hooks", "cdi", "secrets"]) await Deno.mkdir(at(path));
  const hook = `#!/bin/sh\ncat >> ${at("hooked")}\n`;
  await Deno.writeTextFile(at("hook"), hook, { mode: 0o755 });
  await Promise.all([
    Deno.writeTextFile(at("secrets/token"), "secret\n"),
    Deno.writeTextFile(at("mounts.conf"), `${at("secrets")}:/run/secrets\n`),
    Deno.writeTextFile(
      at("hooks/test.json"),
      JSON.stringify({
        version: "1.0.0",
        hook: { path: at("hook") },
        when: { annotations: { "^test\\.example\\.com/hook$": "^on$" } },
        stages: ["createRuntime"],
      }),
    ),
    Deno.writeTextFile(
      at("cdi/test.yaml"),
      `cdiVersion: "0.6.0"
kind: test.example.com/thing
devices:
- name: one
  containerEdits:
    env: [FROM_CDI=yes]
    deviceNodes:
    - {path: /dev/cdi, hostPath: /dev/null, fileMode: 0604}
`,
    ),
    Deno.writeTextFile(at("cdi/broken.yaml"), 'cdiVersion: "0.6.0"\nkind: thing\n'),
  ]);
}
