import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { createServer } from "node:http";
import { once } from "node:events";
import { join } from "@std/path";
import { askSocket } from "../../../src/isolates/own_socket.ts";
import { serviceEnvironment, ServiceManager } from "../../../src/isolates/service_manager.ts";
import { DEFAULT_PATH, exit, sendDatagram, start } from "../../../src/linux/mod.ts";

/** Stands in for systemd's notification socket and keeps what comes in. */
class Receiver implements AsyncDisposable {
  readonly #child: ChildProcess;
  #text = "";

  /** @param kind `UNIX-RECV` for a path, `ABSTRACT-RECV` for a name. */
  constructor(kind: "UNIX-RECV" | "ABSTRACT-RECV", address: string) {
    this.#child = start("socat", ["-u", `${kind}:${address}`, "-"], {
      env: { PATH: DEFAULT_PATH },
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#text += text);
  }

  /** Waits until `text` has come in. */
  async received(text: string): Promise<void> {
    while (!this.#text.includes(text)) await once(this.#child.stdout!, "data");
  }

  get text(): string {
    return this.#text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await exit(this.#child, "socat");
  }
}

/** Nothing announces that socat listens. */
async function untilSent(address: string, text: string): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return sendDatagram(address, text);
    } catch (error) {
      if (tries > 500) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

describe("telling systemd how the service is", () => {
  let directory: string;

  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-notify-" });
  });

  afterEach(() => Deno.remove(directory, { recursive: true }));

  const environment = (socket: string, watchdogMs?: number) => ({ socket, watchdogMs });
  const well = () => Promise.resolve();

  it("says when it serves, when it reads its configuration again, and when it stops", async () => {
    const socket = join(directory, "notify");
    await using receiver = new Receiver("UNIX-RECV", socket);
    await untilSent(socket, "first|");
    using service = new ServiceManager(environment(socket), well);
    service.ready("Serving");
    service.reloading();
    service.ready("Serving, in spite\nof all");
    service.stopping();
    await receiver.received("STOPPING=1");
    const [one, two] = ["READY=1\nSTATUS=Serving", "READY=1\nSTATUS=Serving, in spite of all"];
    assert.equal(receiver.text, `first|${one}RELOADING=1${two}STOPPING=1`);
  });

  it("reaches an abstract socket", async () => {
    const name = `crid-${crypto.randomUUID()}`;
    await using receiver = new Receiver("ABSTRACT-RECV", name);
    await untilSent(`@${name}`, "hello");
    await receiver.received("hello");
  });

  it("keeps the watchdog quiet while it is well, and only then", async () => {
    const socket = join(directory, "notify");
    await using receiver = new Receiver("UNIX-RECV", socket);
    await untilSent(socket, "first");
    let health: "well" | "ill" = "well";
    const asked: string[] = [];
    const twiceIll = Promise.withResolvers<void>();
    using service = new ServiceManager(environment(socket, 40), () => {
      asked.push(health);
      if (health === "well") return Promise.resolve();
      if (asked.filter((each) => each === "ill").length === 2) twiceIll.resolve();
      return Promise.reject(new Error("ill"));
    });
    service.ready("Serving");
    await receiver.received("WATCHDOG=1");
    health = "ill";
    await twiceIll.promise;
    service.stopping();
    await receiver.received("STOPPING=1");
    const told = receiver.text.split("WATCHDOG=1").length - 1;
    assert.equal(told, asked.filter((each) => each === "well").length);
  });

  it("harms nobody when systemd is not there", () => {
    using service = new ServiceManager(environment(join(directory, "nowhere")), well);
    service.ready("Serving");
    service.stopping();
  });
});

describe("the environment of a service", () => {
  const read = (env: Record<string, string>) => serviceEnvironment({ get: (name) => env[name] }, 7);

  it("has nothing without systemd", () => {
    assert.deepEqual(read({}), { socket: undefined, watchdogMs: undefined });
    assert.deepEqual(read({ NOTIFY_SOCKET: "" }), { socket: undefined, watchdogMs: undefined });
  });

  it("tells the watchdog's time in milliseconds", () => {
    const env = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "60000000" };
    assert.deepEqual(read(env), { socket: "/run/n", watchdogMs: 60_000 });
    assert.equal(read({ ...env, WATCHDOG_PID: "7" }).watchdogMs, 60_000);
  });

  it("takes no watchdog that is another process'", () => {
    const env = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "60000000", WATCHDOG_PID: "8" };
    assert.equal(read(env).watchdogMs, undefined);
  });
});

describe("the health of a server", () => {
  for (
    const [what, status, healthy] of [
      ["one that answers", 200, true],
      ["one that fails", 500, false],
      ["one that is silent", undefined, false],
    ] as const
  ) {
    it(`is ${healthy ? "good" : "bad"} for ${what}`, async () => {
      const directory = await Deno.makeTempDir({ prefix: "crid-health-" });
      const path = join(directory, "socket");
      const server = createServer((_, response) => {
        if (status !== undefined) response.writeHead(status).end("{}");
      });
      server.listen(path);
      await once(server, "listening");
      try {
        if (healthy) await askSocket(path, "/info", 5000);
        else await assert.rejects(askSocket(path, "/info", 200));
      } finally {
        server.close();
        server.closeAllConnections();
        await Deno.remove(directory, { recursive: true });
      }
    });
  }

  it("is bad where nobody listens", async () => {
    await assert.rejects(askSocket("/nonexistent/socket", "/info", 1000), /ENOENT/);
  });
});
