/**
 * What the CRI server itself costs, over a domain that answers from memory:
 * `deno run -A tests/bench/server_bench.ts [--containers N] [--connections N] [--samples N]`.
 *
 * @module
 */
import { connect, createServer } from "node:net";
import { parseArgs } from "node:util";
import { ListContainersResponse } from "../../src/gen/runtime/v1/api.ts";
import { criClient } from "../harness/cri_client.ts";
import { printFigures, samples, time } from "./measure.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    containers: { type: "string", default: "200" },
    connections: { type: "string", default: "400" },
    samples: { type: "string", default: "500" },
  },
});
const count = Number(values.samples);

const script = new URL("fake_server.ts", import.meta.url).pathname;
const child = new Deno.Command(Deno.execPath(), {
  args: [
    ...["run", "-A", "--no-check", "--v8-flags=--max-semi-space-size=2,--optimize-for-size"],
    ...[script, values.containers],
  ],
  stdin: "piped",
  stdout: "piped",
}).spawn();
const path = await firstLine(child.stdout);

const resident = (): number => {
  const status = Deno.readTextFileSync(`/proc/${child.pid}/status`);
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
};

const started = resident();
const idle = Array.from({ length: Number(values.connections) }, () => criClient(path));
for (const client of idle) await client.runtime.version();
const connected = resident();

using client = criClient(path);
const { containers } = await client.runtime.listContainers();
const bytes = ListContainersResponse.encode({ containers }).finish();
const version = await samples(count, 1, () => time(() => client.runtime.version()));
const list = await samples(count, 1, () => time(() => client.runtime.listContainers()));
const echo = await echoes(count);
const codec = await samples(count, 1, () =>
  time(() => {
    ListContainersResponse.decode(ListContainersResponse.encode({ containers }).finish());
    return Promise.resolve();
  }));

printFigures("CRI server over a domain in memory", [
  {
    what: "Version",
    unit: "ms",
    values: version,
    floor: { what: "one byte there and back over a unix socket", values: echo },
  },
  {
    what: `ListContainers, ${containers.length} (${Math.round(bytes.length / 1024)} kB)`,
    unit: "ms",
    values: list,
    floor: { what: "encoding and decoding the answer", values: codec },
  },
  { what: "RSS at start", unit: "MB", values: [started] },
  { what: `RSS with ${idle.length} idle connections`, unit: "MB", values: [connected] },
  { what: `RSS after ${2 * count} calls`, unit: "MB", values: [resident()] },
]);

for (const connection of idle) connection[Symbol.dispose]();
await child.stdin.close();
await child.status;

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes("\n")) break;
  }
  return text.slice(0, text.indexOf("\n"));
}

/** Round trips between two sockets of this process. */
async function echoes(count: number): Promise<number[]> {
  const server = createServer((socket) => socket.pipe(socket));
  const address = `${path}.echo`;
  await new Promise<void>((resolve) => server.listen({ path: address }, () => resolve()));
  const socket = connect(address);
  const times = await samples(count, 1, () =>
    time(() =>
      new Promise((resolve) => {
        socket.once("data", resolve);
        socket.write("x");
      })
    ));
  socket.destroy();
  server.close();
  return times;
}
