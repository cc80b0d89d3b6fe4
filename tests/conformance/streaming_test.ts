/**
 * crictl's exec, attach and port-forward as a person uses them: on a terminal, or in a pipe.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { connect } from "node:net";
import { after, before, describe, it } from "@std/testing/bdd";
import { run } from "../../src/linux/mod.ts";
import {
  containerConfig,
  type Crid,
  podConfig,
  runContainer,
  runPod,
  startCrid,
  startRegistry,
} from "../harness/mod.ts";
import { pushTestImages } from "../images/mod.ts";
import { conformanceTools } from "./build.ts";

/** How long a person would wait. */
const PATIENCE_MS = 10_000;

/** A program and what it has said so far. */
class Talk implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;
  #said = "";
  #changed = Promise.withResolvers<void>();

  constructor(command: string, args: readonly string[]) {
    const env = { PATH: Deno.env.get("PATH")!, TERM: "dumb", NO_PROXY: "*" };
    this.#child = spawn(command, args, { env, stdio: "pipe" });
    this.#ended = new Promise((resolve) => this.#child.once("exit", () => resolve()));
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (data) => {
        this.#said += data;
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      });
    }
    this.#ended.then(() => this.#changed.resolve());
  }

  type(text: string): void {
    this.#child.stdin!.write(text);
  }

  /** Waits until it has said what is looked for, after what was found before. */
  async says(what: RegExp): Promise<RegExpExecArray> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    try {
      for (let over = false;; await Promise.race([this.#changed.promise, this.#ended])) {
        const found = what.exec(this.#said);
        if (found !== null) {
          this.#said = this.#said.slice(found.index + found[0].length);
          return found;
        }
        if (over) throw new Error(`${what} was not said, but ${JSON.stringify(this.#said)}`);
        over = this.#child.exitCode !== null || this.#child.signalCode !== null;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Waits until it has ended by itself. */
  async ends(): Promise<void> {
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    await this.#ended;
    clearTimeout(timer);
    if (this.#child.signalCode !== null) {
      throw new Error(`it does not end, and has said ${JSON.stringify(this.#said)}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}

describe("crictl's streams over crid", () => {
  const stack = new AsyncDisposableStack();
  let crid: Crid;
  let crictl: string;
  let podId: string;
  let pod: ReturnType<typeof podConfig>;
  let id: string;
  let names = 0;
  const container = (config: Parameters<typeof containerConfig>[0] = {}) =>
    runContainer(
      crid,
      podId,
      pod,
      containerConfig({ ...config, metadata: { name: `${names++}` } }),
    );

  before(async () => {
    const tools = await conformanceTools();
    const registry = stack.use(await startRegistry());
    await pushTestImages(registry.url, ["e2e-test-images/busybox"]);
    crid = stack.use(await startCrid({ registry: registry.host }));
    crictl = `${tools.crictl} --config ${crid.node.crictlConfig}`;
    pod = podConfig(crid);
    podId = await runPod(crid, pod);
    id = await container();
  });
  after(async () => {
    await crid.removePods();
    assert.deepEqual(await crid.leftovers(), []);
    await stack.disposeAsync();
  });

  /** On a terminal of 99 by 33 characters, whose name comes first. */
  const onTerminal = (args: string) =>
    new Talk("script", ["-qfec", `stty rows 33 cols 99; tty; ${crictl} ${args}`, "/dev/null"]);
  const inPipe = async (line: string) => {
    const { code, stdout, stderr } = await run("bash", ["-c", line.replace("crictl", crictl)]);
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };

  for (const transport of ["spdy", "websocket"]) {
    describe(`with ${transport}`, () => {
      it("exec -i carries a pipe's end, both outputs and the exit code", async () => {
        const { code, stdout, stderr } = await inPipe(
          `printf 'a\\nb' | crictl exec -i -r ${transport} ${id} sh -c 'cat; echo bad >&2; exit 3'`,
        );
        assert.equal(stdout, "a\nb");
        assert.match(stderr, /^bad\n/);
        assert.match(stderr, /exit code 3/);
        assert.notEqual(code, 0);
      });

      it("exec -it gives a shell on a terminal that follows the size of the person's", async () => {
        await using talk = onTerminal(`exec -it -r ${transport} ${id} sh`);
        const [, own] = await talk.says(/(\/dev\/pts\/\d+)\r\n/);
        talk.type("tty; stty size\n");
        await talk.says(/\/dev\/pts\/\d+\r\n33 99\r\n/);
        await run("stty", ["-F", own!, "rows", "44", "cols", "122"]);
        // The size goes its own way.
        talk.type("until stty size | grep '44 122'; do sleep 0.1; done\n");
        await talk.says(/\n44 122\r\n/);
        // What says so is in the foreground already: a shell that only begins a command may keep the signal.
        talk.type(`sh -c "echo be''gin; exec sleep 1000"\n`);
        await talk.says(/begin\r\n/);
        talk.type("\x03");
        // What was typed before the shell is back would be dropped with the rest of the line.
        await talk.says(/\^C\r\n\/ # /);
        talk.type("echo interrupt''ed\n");
        await talk.says(/interrupted\r\n/);
        talk.type("exit\n");
        await talk.ends();
      });

      it("attach -it shows a container's terminal, and ctrl-p ctrl-q leaves it running", async () => {
        const shell = await container({ command: ["sh"], stdin: true, tty: true });
        await using talk = onTerminal(`attach -it -r ${transport} ${shell}`);
        await talk.says(/\/dev\/pts\/\d+\r\n/);
        talk.type("echo wel''come\n");
        await talk.says(/welcome\r\n/);
        talk.type("\x10\x11");
        await talk.ends();
        const { status } = await crid.client.runtime.containerStatus({ containerId: shell });
        assert.equal(status?.exitCode, 0);
        assert.equal(status?.finishedAt, 0n);
      });

      it("attach -i feeds a container that reads its input once", async () => {
        const reader = await container({
          command: ["sh", "-c", "cat; echo over"],
          stdin: true,
          stdinOnce: true,
        });
        const { stdout } = await inPipe(
          `(sleep 1; echo fed) | crictl attach -i -r ${transport} ${reader}`,
        );
        assert.equal(stdout, "fed\nover\n");
      });

      it("port-forward carries connections to the pod", async () => {
        const port = transport === "spdy" ? 8001 : 8002;
        await container({ command: ["nc", "-ll", "-p", String(port), "-e", "cat"] });
        await using talk = new Talk("sh", [
          "-c",
          `exec ${crictl} port-forward -r ${transport} ${podId} :${port}`,
        ]);
        const [, local] = await talk.says(/Forwarding from 127\.0\.0\.1:(\d+) ->/);
        const echo = async (text: string) => {
          const socket = connect({ host: "127.0.0.1", port: Number(local) });
          let answer = "";
          socket.on("error", () => {}).on("data", (data) => {
            answer += data;
            if (answer.length === text.length) socket.end();
          });
          socket.write(text);
          await new Promise((resolve) => socket.once("close", resolve));
          return answer;
        };
        // The container may not listen yet.
        const limit = Date.now() + PATIENCE_MS;
        while (await echo("there?") === "") assert.ok(Date.now() < limit, "no answer");
        for (let round = 0; round < 5; round++) {
          const text = `${round} `.repeat(100_000);
          assert.ok(await echo(text) === text, `round ${round}`);
        }
      });
    });
  }
});
