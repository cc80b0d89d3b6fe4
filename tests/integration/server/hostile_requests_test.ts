import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { status as Code } from "@grpc/grpc-js";
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
import {
  type ImageServiceService,
  NamespaceMode,
  type RuntimeServiceService,
} from "../../../src/gen/runtime/v1/api.ts";
import { BAD, change, CONTAINER, HUGE, LINES, NUL, POD, RESOURCES } from "./bad_fields.ts";

type Rpc = keyof typeof RuntimeServiceService | keyof typeof ImageServiceService;

/** Ids, filters and image names that are nobody's. */
const UNKNOWN = [
  "0".repeat(64),
  HUGE,
  NUL,
  LINES,
  "../../etc/passwd",
  " ",
  `"'\$(id)`,
  "__proto__",
];
/** An RPC that takes longer for something like this hangs. */
const LIMIT_MS = 20_000;

const { OK, INVALID_ARGUMENT, NOT_FOUND, UNIMPLEMENTED } = Code;

/** What each RPC answers to an empty request, and to one about something that is not there. */
const ANSWERS: Readonly<Record<Rpc, readonly [empty: Code, unknown: Code]>> = {
  version: [OK, OK],
  status: [OK, OK],
  runtimeConfig: [OK, OK],
  updateRuntimeConfig: [OK, OK],
  runPodSandbox: [INVALID_ARGUMENT, INVALID_ARGUMENT],
  stopPodSandbox: [OK, OK],
  removePodSandbox: [OK, OK],
  podSandboxStatus: [NOT_FOUND, NOT_FOUND],
  listPodSandbox: [OK, OK],
  streamPodSandboxes: [OK, OK],
  updatePodSandboxResources: [NOT_FOUND, NOT_FOUND],
  createContainer: [INVALID_ARGUMENT, NOT_FOUND],
  startContainer: [NOT_FOUND, NOT_FOUND],
  stopContainer: [OK, OK],
  removeContainer: [OK, OK],
  listContainers: [OK, OK],
  streamContainers: [OK, OK],
  containerStatus: [NOT_FOUND, NOT_FOUND],
  updateContainerResources: [INVALID_ARGUMENT, NOT_FOUND],
  reopenContainerLog: [NOT_FOUND, NOT_FOUND],
  execSync: [INVALID_ARGUMENT, NOT_FOUND],
  exec: [INVALID_ARGUMENT, NOT_FOUND],
  attach: [INVALID_ARGUMENT, NOT_FOUND],
  portForward: [NOT_FOUND, NOT_FOUND],
  checkpointContainer: [UNIMPLEMENTED, UNIMPLEMENTED],
  containerStats: [NOT_FOUND, NOT_FOUND],
  listContainerStats: [OK, OK],
  streamContainerStats: [OK, OK],
  podSandboxStats: [NOT_FOUND, NOT_FOUND],
  listPodSandboxStats: [OK, OK],
  streamPodSandboxStats: [OK, OK],
  getContainerEvents: [OK, OK],
  listMetricDescriptors: [OK, OK],
  listPodSandboxMetrics: [OK, OK],
  streamPodSandboxMetrics: [OK, OK],
  listImages: [OK, OK],
  streamImages: [OK, OK],
  imageStatus: [INVALID_ARGUMENT, OK],
  pullImage: [INVALID_ARGUMENT, INVALID_ARGUMENT],
  removeImage: [INVALID_ARGUMENT, OK],
  imageFsInfo: [OK, OK],
};

/** What the fields above are put into, where a list or a message has more than the one field. */
const ENVS = [{ key: "KEY", value: new Uint8Array() }];
const MOUNTS = [{ hostPath: "/tmp", containerPath: "/mnt" }];
const DEVICES = [{ hostPath: "/dev/null", containerPath: "/dev/x", permissions: "r" }];

describe("requests that make no sense", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let podSandboxId: string;
  let containerId: string;
  let sandboxConfig: ReturnType<typeof podConfig>;

  before(async () => {
    const isolation = stack.use(await isolate());
    const registry = stack.use(await startImageRegistry(isolation, ["e2e-test-images/busybox"]));
    crid = stack.use(await startCrid({ registry: registry.host, isolation }));
    sandboxConfig = config();
    podSandboxId = await runPod(crid, sandboxConfig);
    containerId = await runContainer(crid, podSandboxId, sandboxConfig, containerConfig());
  });
  after(async () => {
    const { containers } = await crid.client.runtime.listContainers();
    assert.deepEqual(containers.map(({ id }) => id), [containerId]);
    assert.equal((await execShell(crid, containerId, "echo alive")).stdout, "alive\n");
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
    await stack.disposeAsync();
  });

  for (const [rpc, [empty, unknown]] of Object.entries(ANSWERS) as [Rpc, [Code, Code]][]) {
    it(`are answered by ${rpc}: an empty one, and those about what is not there`, async () => {
      await expect(rpc, {}, empty);
      const questions = UNKNOWN.flatMap((id) => about(rpc, id));
      for (const question of questions) await expect(rpc, question, unknown);
    });
  }

  for (const [field, kind] of Object.entries(POD)) {
    it(`are refused by runPodSandbox where ${field} is no ${kind}`, async () => {
      for (const bad of BAD[kind]) {
        await expect("runPodSandbox", { config: change(config(), field, bad) }, INVALID_ARGUMENT);
      }
    });
  }

  for (const [field, kind] of Object.entries(CONTAINER)) {
    it(`are refused by createContainer where ${field} is no ${kind}`, async () => {
      const good = containerConfig({
        metadata: { name: "bad" },
        envs: ENVS,
        mounts: MOUNTS,
        devices: DEVICES,
      });
      for (const bad of BAD[kind]) {
        const request = { podSandboxId, sandboxConfig, config: change(good, field, bad) };
        await expect("createContainer", request, INVALID_ARGUMENT);
      }
    });
  }

  for (const [field, kind] of Object.entries(RESOURCES)) {
    it(`are refused as an update of resources where ${field} is no ${kind}`, async () => {
      for (const bad of BAD[kind]) {
        const linux = change({}, field, bad);
        await expect("updateContainerResources", { containerId, linux }, INVALID_ARGUMENT);
        const pod = { podSandboxId, overhead: linux };
        await expect("updatePodSandboxResources", pod, INVALID_ARGUMENT);
      }
    });
  }

  it("are refused by the other calls that take more than an id", async () => {
    const invalid: readonly (readonly [Rpc, object])[] = [
      ["runPodSandbox", { config: config(), runtimeHandler: NUL }],
      ["runPodSandbox", { config: config(), runtimeHandler: "constructor" }],
      ["execSync", { containerId, cmd: ["echo", NUL] }],
      ["exec", { containerId, cmd: ["echo", NUL], stdout: true }],
      ["exec", { containerId, cmd: ["echo"] }],
      ["attach", { containerId, tty: true, stderr: true }],
      ["portForward", { podSandboxId, port: [-1] }],
      ["portForward", { podSandboxId, port: [65_536] }],
      ["listContainers", { filter: { state: { state: 99 } } }],
      ["listPodSandbox", { filter: { state: { state: -1 } } }],
      ["updateContainerResources", { containerId, linux: { unified: { "../x": "1" } } }],
      ["pullImage", {
        image: { image: "busybox" },
        sandboxConfig: { metadata: { namespace: HUGE } },
      }],
      ["pullImage", {
        image: { image: "busybox" },
        sandboxConfig: { metadata: { namespace: "../x" } },
      }],
    ];
    for (const [rpc, request] of invalid) await expect(rpc, request, INVALID_ARGUMENT);
  });

  it("but for a number or two are taken as what they are near to", async () => {
    const [least, most] = [-(2n ** 63n), 2n ** 63n - 1n];
    for (const timeout of [least, -1n, most]) {
      await expect("execSync", { containerId, cmd: ["true"], timeout }, OK);
    }
    await expect("updateContainerResources", { containerId, linux: { oomScoreAdj: least } }, OK);
    await expect("updateContainerResources", { containerId, linux: { cpuQuota: -1n } }, OK);
    const extra = await runContainer(
      crid,
      podSandboxId,
      sandboxConfig,
      containerConfig({
        metadata: { name: "extra", attempt: 2 ** 32 - 1 },
        linux: { resources: { memoryLimitInBytes: most, oomScoreAdj: most } },
      }),
    );
    await expect("stopContainer", { containerId: extra, timeout: least }, OK);
    await expect("removeContainer", { containerId: extra }, OK);
  });

  it("but for their letters come back as they were sent", async () => {
    const odd = `\n"'\\$(id) \t\u{1f980} %s é`;
    const asked = containerConfig({
      metadata: { name: `odd "'\\$(id) %s` },
      command: ["sh", "-c", 'printf %s "$ODD$1"', "sh", odd],
      envs: [{ key: "ODD", value: new TextEncoder().encode(odd) }],
      workingDir: `/${odd}`,
      labels: { [odd]: odd },
      annotations: { [odd]: odd.repeat(1000) },
    });
    const id = await runContainer(crid, podSandboxId, sandboxConfig, asked);
    const { status } = await crid.client.runtime.containerStatus({ containerId: id });
    assert.deepEqual(status?.metadata, asked.metadata);
    assert.deepEqual(status?.labels, asked.labels);
    assert.deepEqual(status?.annotations, asked.annotations);
    await expect("removeContainer", { containerId: id }, OK);
  });

  /** In the host's network: quickly made, should one be. */
  function config() {
    const namespaceOptions = { network: NamespaceMode.NODE, pid: NamespaceMode.CONTAINER };
    return podConfig(crid, { linux: { securityContext: { namespaceOptions } } });
  }

  async function expect(rpc: Rpc, request: object, code: Code): Promise<void> {
    const { runtime, image } = crid.client;
    const calls = (rpc in runtime ? runtime : image) as unknown as Record<Rpc, Call>;
    const shown = () =>
      JSON.stringify(request, (_, value) => typeof value === "bigint" ? `${value}` : value)
        .slice(0, 300);
    try {
      const answer = await calls[rpc](request, { timeoutMs: LIMIT_MS });
      if (Symbol.asyncIterator in answer) await Array.fromAsync(answer);
      assert.equal(Code[OK], Code[code], `${rpc} ${shown()}`);
    } catch (error) {
      if (!isServiceError(error)) throw error;
      assert.equal(Code[error.code], Code[code], `${rpc} ${shown()}: ${error.details}`);
      assert.notEqual(error.details, "", `${rpc} ${shown()} says nothing`);
    }
  }
});

type Call = (
  request: object,
  options: { readonly timeoutMs: number },
) => Promise<object> | AsyncIterable<unknown>;

/** Requests of an RPC about an id, or whatever else it names a thing by. */
function about(rpc: Rpc, id: string): object[] {
  const image = { image: { image: id } };
  switch (rpc) {
    case "createContainer":
      return [{ podSandboxId: id, config: containerConfig() }];
    case "execSync":
    case "exec":
      return [{ containerId: id, cmd: ["true"], stdout: true }];
    case "attach":
      return [{ containerId: id, stdout: true }];
    case "updateContainerResources":
      return [{ containerId: id, linux: {} }];
    case "updateRuntimeConfig":
      return [{ runtimeConfig: { networkConfig: { podCidr: id } } }];
    case "listImages":
    case "streamImages":
      return [{ filter: image }];
    case "imageStatus":
    case "pullImage":
    case "removeImage":
      return [image];
    default:
      return [
        { containerId: id, podSandboxId: id },
        { filter: { id, podSandboxId: id, labelSelector: { [id]: id } } },
      ].slice(0, /list|stream/i.test(rpc) ? 2 : 1);
  }
}
