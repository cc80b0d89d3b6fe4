/**
 * Exec and port-forward beside the bare runtime and socat:
 * `deno run -A tests/bench/streaming_bench.ts [--runtime runc|crun] [--samples N] [--megabytes N]
 * [--sessions N]`.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "@std/path";
import { parseArgs } from "node:util";
import { BUSYBOX, pushTestImages } from "../images/mod.ts";
import {
  containerConfig,
  type Crid,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startRegistry,
} from "../harness/mod.ts";
import { type ClientStream, commandClient, SpdyClient } from "../harness/spdy_client.ts";
import {
  ExecRequest,
  ExecResponse,
  ExecSyncRequest,
  ExecSyncResponse,
} from "../../src/gen/runtime/v1/api.ts";
import { dataHead } from "../../src/streaming/spdy/frames.ts";
import { runInside } from "./inside.ts";
import { type Figure, printFigures, time } from "./measure.ts";
import { execStatus, LightCri } from "./streaming/light_client.ts";

runInside(import.meta.filename!);

const { values } = parseArgs({
  args: Deno.args,
  options: {
    runtime: { type: "string", default: "runc" },
    samples: { type: "string", default: "30" },
    megabytes: { type: "string", default: "1024" },
    sessions: { type: "string", default: "100" },
  },
});
const runtime = values.runtime === "crun" ? "crun" : "runc";
const count = Number(values.samples);
const bytes = Number(values.megabytes) * 1024 * 1024;
const sessions = Number(values.sessions);
/** Of transfers, which take long enough to be steady. */
const ROUNDS = 3;
const BLOCK = Buffer.alloc(64 * 1024, "x");
const GIVES = 9001;
const TAKES = 9002;
const LOCAL = 19_001;

type Types = Parameters<typeof commandClient>[1];

/** A node, a container with something that gives and takes on two ports, and the bare runtime. */
interface Bed extends AsyncDisposable {
  readonly crid: Crid;
  /** For calls that are timed. */
  readonly cri: LightCri;
  readonly podId: string;
  readonly id: string;
  readonly pid: number;
  /** `<runtime> exec <container>`. */
  readonly bare: readonly string[];
}

async function makeBed(): Promise<Bed> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(await startRegistry());
  await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
  const crid = stack.use(
    await startCrid({ registry: registry.host, runtime, logLevel: "info" }),
  );
  await crid.client.image.pullImage({ image: { image: BUSYBOX } });
  const pod = podConfig(crid);
  const podId = await runPod(crid, pod);
  const id = await runContainer(crid, podId, pod, containerConfig());
  const { info } = await crid.client.runtime.containerStatus({ containerId: id, verbose: true });
  const { pid }: { pid: number } = JSON.parse(info["info"] ?? "{}");
  const root = join(crid.node.runtimeRoot, runtime);
  const program = runtime === "runc" ? "/usr/sbin/runc" : "/usr/bin/crun";
  const giver = `SYSTEM:head -c ${bytes} /dev/zero`;
  for (const [port, action] of [[GIVES, giver], [TAKES, "SYSTEM:cat >/dev/null; echo"]] as const) {
    const address = `TCP4-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr`;
    stack.use(
      background("nsenter", [`--net=/proc/${pid}/ns/net`, "socat", "-t60", address, action]),
    );
  }
  const cri = stack.use(await LightCri.connect(crid.socket));
  const rest = stack.move();
  return {
    crid,
    cri,
    podId,
    id,
    pid,
    bare: [program, `--root=${root}`, "exec"],
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

function background(program: string, args: readonly string[]): Disposable {
  const child = spawn(program, args, { stdio: "ignore" });
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => child.once("close", () => resolve()));
}

// Exec

async function exec({ crid, id }: Bed, cmd: readonly string[], types: Types) {
  const has = (type: Types[number]) => types.includes(type);
  const { url } = await crid.client.runtime.exec({
    containerId: id,
    cmd,
    tty: has("resize"),
    stdin: has("stdin"),
    stdout: has("stdout"),
    stderr: has("stderr"),
  });
  return await commandClient(url, types);
}

async function execTrue({ cri, id }: Bed, types: Types = ["stdout", "stderr"]): Promise<void> {
  const has = (type: Types[number]) => types.includes(type);
  const answer = await cri.call(
    "Exec",
    ExecRequest.encode({
      containerId: id,
      cmd: ["true"],
      tty: has("resize"),
      stdin: has("stdin"),
      stdout: has("stdout"),
      stderr: has("stderr"),
    }).finish(),
  );
  const status = await execStatus(ExecResponse.decode(answer).url, types);
  if (!status.includes("Success")) throw new Error(status);
}

/** {@linkcode execTrue} over a connection of its own. */
async function connectedTrue(bed: Bed): Promise<void> {
  using cri = await LightCri.connect(bed.crid.socket);
  await execTrue({ ...bed, cri });
}

async function execSyncTrue({ cri, id }: Bed): Promise<void> {
  const request = ExecSyncRequest.encode({ containerId: id, cmd: ["true"], timeout: 0n });
  const answer = await cri.call("ExecSync", request.finish());
  const { exitCode } = ExecSyncResponse.decode(answer);
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
}

async function bareTrue({ bare: [program, ...args], id }: Bed): Promise<void> {
  const command = new Deno.Command(program!, { args: [...args, id, "true"], stdin: "null" });
  const { success } = await command.output();
  if (!success) throw new Error(`${program} exec has failed`);
}

/** What writes and reads with the least work of its own. */
const GIVE = ["dd", "if=/dev/zero", "bs=65536", `count=${bytes / 65536}`];
const TAKE = ["sh", "-c", "cat >/dev/null; echo all"];

async function execOut(bed: Bed): Promise<void> {
  const client = await exec(bed, GIVE, ["stdout"]);
  client.stdout!.onData = () => {};
  await client.error.text();
  client.connection.close();
  complete(client.stdout!.size);
}

async function bareOut({ bare: [program, ...args], id }: Bed): Promise<void> {
  const child = spawn(program!, [...args, id, ...GIVE], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  let size = 0;
  child.stdout!.on("data", (data) => size += data.length);
  await ended(child);
  complete(size);
}

async function execIn(bed: Bed): Promise<void> {
  const client = await exec(bed, TAKE, ["stdin", "stdout"]);
  await fill(client.connection, client.stdin!);
  taken(await client.stdout!.text());
  client.connection.close();
}

/** Sends all bytes, in a frame that is made once, and the end. */
async function fill({ socket }: SpdyClient, stream: ClientStream): Promise<void> {
  const frame = Buffer.concat([dataHead(stream.id, BLOCK.length, 0), BLOCK]);
  for (let sent = 0; sent < bytes; sent += BLOCK.length) {
    if (!socket.write(frame)) await once(socket, "drain");
  }
  await stream.end();
}

async function bareIn({ bare: [program, ...args], id }: Bed): Promise<void> {
  const child = spawn(program!, [...args, id, ...TAKE], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout!.on("data", (data) => text += data);
  for (let sent = 0; sent < bytes; sent += BLOCK.length) {
    if (!child.stdin!.write(BLOCK)) await once(child.stdin!, "drain");
  }
  child.stdin!.end();
  await ended(child);
  taken(text);
}

function taken(said: string): void {
  if (said !== "all\n") throw new Error(`the input ended with ${JSON.stringify(said)}`);
}

function complete(size: number): void {
  if (size !== bytes) throw new Error(`${size} of ${bytes} bytes`);
}

// Port-forward

async function forward({ crid, podId }: Bed, port: number) {
  const { url } = await crid.client.runtime.portForward({ podSandboxId: podId });
  const connection = await SpdyClient.connect(url, ["portforward.k8s.io"]);
  const headers = { port: String(port), requestid: "0" };
  connection.open({ ...headers, streamtype: "error" });
  return { connection, data: connection.open({ ...headers, streamtype: "data" }) };
}

async function forwardOut(bed: Bed): Promise<void> {
  const { connection, data } = await forward(bed, GIVES);
  data.onData = () => {};
  await data.all();
  connection.close();
  complete(data.size);
}

async function forwardIn(bed: Bed): Promise<void> {
  const { connection, data } = await forward(bed, TAKES);
  await fill(connection, data);
  await data.all();
  connection.close();
}

/** A relay as runtimes had it before they did it themselves: socat in the namespace, one each. */
function socatRelay({ pid }: Bed, port: number): Disposable {
  const target = `EXEC:nsenter --net=/proc/${pid}/ns/net socat - TCP4\\:127.0.0.1\\:${port}`;
  return background("socat", [
    "-t60",
    `TCP4-LISTEN:${LOCAL},bind=127.0.0.1,reuseaddr,fork`,
    target,
  ]);
}

/** Waits for the relay, which does not say when it listens. */
async function listens(): Promise<void> {
  for (let open = false; !open;) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const socket = connect({ host: "127.0.0.1", port: LOCAL });
    open = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
  }
}

async function socatOut(): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: LOCAL });
  let size = 0;
  socket.on("data", (data) => size += data.length);
  await new Promise((resolve) => socket.once("end", resolve));
  socket.destroy();
  complete(size);
}

async function socatIn(): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port: LOCAL, allowHalfOpen: true });
  for (let sent = 0; sent < bytes; sent += BLOCK.length) {
    if (!socket.write(BLOCK)) await once(socket, "drain");
  }
  socket.end();
  socket.resume();
  await new Promise((resolve) => socket.once("end", resolve));
  socket.destroy();
}

// Figures

/** In turns, so that whatever else the machine does slows both alike. */
async function figure(
  what: string,
  rounds: number,
  ours: () => Promise<unknown>,
  floor: readonly [what: string, work: () => Promise<unknown>],
): Promise<Figure> {
  const values: number[] = [];
  const floors: number[] = [];
  for (let round = 0; round < rounds; round++) {
    values.push(await time(ours));
    floors.push(await time(floor[1]));
  }
  return { what, unit: "ms", values, floor: { what: floor[0], values: floors } };
}

async function at100(work: () => Promise<unknown>): Promise<void> {
  await Promise.all(Array.from({ length: sessions }, work));
}

async function bench(): Promise<void> {
  await using bed = await makeBed();
  // The first ones are slow: code is compiled.
  for (let round = 0; round < 5; round++) {
    await execTrue(bed);
    await execSyncTrue(bed);
  }
  await bareTrue(bed);
  const bare = `${runtime} exec`;
  const figures = [
    await figure("exec true", count, () => execTrue(bed), [bare, () => bareTrue(bed)]),
    await figure("ExecSync true", count, () => execSyncTrue(bed), [bare, () => bareTrue(bed)]),
    await figure(
      "exec true on a terminal",
      count,
      () => execTrue(bed, ["stdin", "stdout", "resize"]),
      [bare, () => bareTrue(bed)],
    ),
    await figure(`${sessions} at once`, ROUNDS, () => at100(() => connectedTrue(bed)), [
      bare,
      () => at100(() => bareTrue(bed)),
    ]),
    await figure("exec, out", ROUNDS, () => execOut(bed), [bare, () => bareOut(bed)]),
    await figure("exec, in", ROUNDS, () => execIn(bed), [bare, () => bareIn(bed)]),
  ];
  for (
    const [what, port, ours, floor] of [
      ["port-forward, out", GIVES, forwardOut, socatOut],
      ["port-forward, in", TAKES, forwardIn, socatIn],
    ] as const
  ) {
    using _relay = socatRelay(bed, port);
    await listens();
    figures.push(await figure(what, ROUNDS, () => ours(bed), ["socat", floor]));
  }
  printFigures(`Streams with ${runtime}; "out" and "in" are ${values.megabytes} MB`, figures);
  await bed.crid.removePods();
}

await bench();
