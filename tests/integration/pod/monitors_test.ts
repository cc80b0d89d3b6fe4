import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  containerConfig,
  type Crid,
  execShell,
  exited,
  type Partially,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startRegistry,
} from "../../harness/mod.ts";
import { commandClient } from "../../harness/spdy_client.ts";
import { type ContainerConfig, ContainerState } from "../../../src/gen/runtime/v1/api.ts";
import { pushTestImages } from "../../images/mod.ts";

/** Handler, and the monitor that it names in the second file of settings; none means crid's own. */
const HANDLERS = [
  ["runc", "crid's own"],
  ["crun", "crid's own"],
  ["runc-conmon", "conmon"],
  ["crun-conmon", "conmon"],
] as const;
type Handler = typeof HANDLERS[number][0];

/** Handlers besides the harness's, which have crid's own monitor. */
const settings = (monitorPath: string) =>
  ["runc", "crun"].map((runtime) =>
    `[crio.runtime.runtimes.${runtime}-conmon]
runtime_path = "${runtime === "runc" ? "/usr/sbin/runc" : "/usr/bin/crun"}"
monitor_path = "${monitorPath}"
`
  ).join("\n");

const LIMIT = 32n << 20n;
const HUNGRY = "a=x; while :; do a=$a$a; done";

describe("crid with either monitor and either runtime", () => {
  const stack = new AsyncDisposableStack();
  const pods = new Map<Handler, { readonly id: string; readonly config: PodConfig }>();
  let crid: Crid;

  before(async () => {
    const registry = stack.use(await startRegistry());
    await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
    crid = stack.use(
      await startCrid({ registry: registry.host, settings: settings("/usr/bin/conmon") }),
    );
    for (const [handler] of HANDLERS) {
      const config = podConfig(crid);
      pods.set(handler, { id: await runPod(crid, config, handler), config });
    }
  });
  after(async () => {
    await crid.removePods();
    const left = await crid.leftovers();
    await stack.disposeAsync();
    assert.deepEqual(left, []);
  });

  let count = 0;
  async function run(
    handler: Handler,
    script: string,
    config: Partially<ContainerConfig> = {},
  ): Promise<string> {
    const { id, config: pod } = pods.get(handler)!;
    const metadata = { name: `c${count++}` };
    const command = ["sh", "-c", script];
    return await runContainer(crid, id, pod, containerConfig({ command, ...config, metadata }));
  }

  /** The program that watches a container. */
  async function monitorOf(id: string): Promise<string> {
    const bundle = join(crid.node.runRoot, "overlay-containers", id, "userdata");
    const pid = await Deno.readTextFile(join(bundle, "conmon-pidfile"));
    return await Deno.readLink(`/proc/${pid}/exe`);
  }

  const logOf = async (id: string) => {
    const { status } = await crid.client.runtime.containerStatus({ containerId: id });
    return await Deno.readTextFile(status!.logPath);
  };
  const lines = (log: string) => log.trimEnd().split("\n").map((line) => line.slice(36));

  const attach = async (containerId: string) => {
    const types = ["stdin", "stdout", "stderr"] as const;
    const { url } = await crid.client.runtime.attach({
      containerId,
      ...{ stdin: true, stdout: true, stderr: true },
    });
    return await commandClient(url, types);
  };

  for (const [handler, monitor] of HANDLERS) {
    describe(`handler ${handler}, whose monitor is ${monitor}`, () => {
      it("starts that monitor", async () => {
        const program = await monitorOf(await run(handler, "exec sleep 1000"));
        if (monitor === "conmon") assert.equal(program, "/usr/bin/conmon");
        else assert.match(program, /\/native\/conmon$/);
      });

      it("logs both streams, takes commands, carries input, and has the exit code", async () => {
        const script = "echo out; echo err >&2; read x; echo got $x; exit 7";
        const id = await run(handler, script, { stdin: true, stdinOnce: true });
        const inside = await execShell(crid, id, "echo in; echo bad >&2; exit 3");
        assert.deepEqual(inside, { stdout: "in\n", stderr: "bad\n", exitCode: 3 });
        const client = await attach(id);
        await client.stdin!.write("this\n");
        assert.equal(await client.stdout!.text(), "got this\n");
        const status = await exited(crid, id);
        assert.equal(status.exitCode, 7);
        assert.equal(status.reason, "Error");
        const log = lines(await logOf(id));
        assert.deepEqual(log.filter((line) => line.startsWith("stdout")), [
          "stdout F out",
          "stdout F got this",
        ]);
        assert.deepEqual(log.filter((line) => line.startsWith("stderr")), ["stderr F err"]);
      });

      it("tells a container that was killed for its memory from others", async () => {
        const linux = { resources: { memoryLimitInBytes: LIMIT } };
        const { exitCode, reason } = await exited(crid, await run(handler, HUNGRY, { linux }));
        assert.deepEqual({ exitCode, reason }, { exitCode: 137, reason: "OOMKilled" });
      });
    });
  }

  it("serves what ran before a restart, also under a monitor that is not chosen any more", async () => {
    const script = "echo before; while read x; do echo $x; done; exit 9";
    const before = await Promise.all(HANDLERS.map(async ([handler]) => ({
      handler,
      id: await run(handler, script, { stdin: true }),
    })));
    const monitors = await Promise.all(before.map(({ id }) => monitorOf(id)));
    await crid.kill9();
    await Deno.writeTextFile(join(crid.node.configDropIns, "50-test.conf"), settings(""));
    await crid.start();

    await Promise.all(before.map(async ({ id }, index) => {
      assert.equal(await monitorOf(id), monitors[index]);
      const { status } = await crid.client.runtime.containerStatus({ containerId: id });
      assert.equal(status?.state, ContainerState.CONTAINER_RUNNING);
      await Deno.rename(status.logPath, `${status.logPath}.1`);
      await crid.client.runtime.reopenContainerLog({ containerId: id });
      const client = await attach(id);
      await client.stdin!.write("after\n");
      const answer = Promise.withResolvers<void>();
      client.stdout!.onData = () => answer.resolve();
      await answer.promise;
      client.connection.close();
      assert.deepEqual(lines(await Deno.readTextFile(`${status.logPath}.1`)), ["stdout F before"]);
      assert.deepEqual(lines(await logOf(id)), ["stdout F after"]);
      assert.equal((await execShell(crid, id, "exit 4")).exitCode, 4);
    }));

    // New containers of the same pods have the monitor that is chosen now.
    const after = await Promise.all(HANDLERS.map(([handler]) => run(handler, "exit 5")));
    for (const id of after) assert.equal((await exited(crid, id)).exitCode, 5);
    const waiting = await run("crun-conmon", "exec sleep 1000");
    assert.match(await monitorOf(waiting), /\/native\/conmon$/);

    await Promise.all(before.map(async ({ id }) => {
      await crid.client.runtime.stopContainer({ containerId: id, timeout: 0n });
      assert.equal((await exited(crid, id)).exitCode, 137);
    }));
  });
});

type PodConfig = ReturnType<typeof podConfig>;
