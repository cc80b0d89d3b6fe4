import { afterEach, beforeEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";
import { once } from "node:events";
import { join } from "@std/path";
import { exit, start } from "../../../src/linux/mod.ts";
import { DbusConnection } from "../../../src/cgroup/systemd/connection.ts";
import { SystemdManager } from "../../../src/cgroup/systemd/manager.ts";
import { decodeMessage } from "../../../src/cgroup/systemd/message.ts";
import { type DbusValue, Writer } from "../../../src/cgroup/systemd/wire.ts";

const JOB = "/org/freedesktop/systemd1/job/7";

/** What the double of systemd answers to a call. */
type Answer =
  | { readonly reply: readonly DbusValue[]; readonly signature: string; readonly then?: string }
  | { readonly early: string }
  | { readonly error: string; readonly text: string }
  | "hang up"
  | "hang";

/** A message from systemd; only the header fields that matter. */
function message(
  type: number,
  fields: readonly (readonly [number, string, DbusValue])[],
  signature: string,
  values: readonly DbusValue[],
): Uint8Array {
  const body = new Writer();
  body.values(signature, values);
  const all = [...fields, ...signature === "" ? [] : [[8, "g", signature] as const]];
  const head = new Writer();
  head.values("yyyyuua(yv)", [
    ...["l".charCodeAt(0), type, 0, 1, body.length, 9],
    all.map(([field, kind, value]) => [field, { signature: kind, value }]),
  ]);
  head.align(8);
  return new Uint8Array([...head.bytes(), ...body.bytes()]);
}

function jobRemoved(result: string): Uint8Array {
  const values = [7, JOB, "a.scope", result];
  return message(4, [[1, "o", "/org"], [3, "s", "JobRemoved"]], "uoss", values);
}

/**
 * A double of systemd's private socket. As systemd does, it looks at what comes together with BEGIN
 * only when more comes.
 */
async function serveDouble(path: string, answer: (member: string) => Answer): Promise<Server> {
  const server = createServer((socket) => {
    let received = new Uint8Array();
    let begun = false;
    socket.on("error", () => {});
    socket.on("data", (bytes: Uint8Array) => {
      received = new Uint8Array([...received, ...bytes]);
      if (!begun) {
        const text = new TextDecoder("latin1").decode(received);
        if (text.startsWith("\0AUTH ")) socket.write("OK 0123\r\n");
        const end = text.indexOf("BEGIN\r\n");
        begun = end >= 0;
        received = received.slice(begun ? end + 7 : received.length);
        return;
      }
      for (let decoded = decodeMessage(received); decoded; decoded = decodeMessage(received)) {
        // The serial of a call is at a fixed place.
        const serial = new DataView(received.buffer).getUint32(8, true);
        received = received.slice(decoded.length);
        respond(socket, serial, answer(decoded.message.member));
      }
    });
  });
  server.listen(path);
  await once(server, "listening");
  return server;
}

function respond(socket: Socket, serial: number, answer: Answer): void {
  if (answer === "hang up") return void socket.destroy();
  if (answer === "hang") return;
  if ("error" in answer) {
    const fields = [[5, "u", serial], [4, "s", answer.error]] as const;
    return void socket.write(message(3, fields, "s", [answer.text]));
  }
  if ("early" in answer) {
    socket.write(jobRemoved(answer.early));
    return void socket.write(message(2, [[5, "u", serial]], "o", [JOB]));
  }
  socket.write(message(2, [[5, "u", serial]], answer.signature, answer.reply));
  if (answer.then !== undefined) socket.write(jobRemoved(answer.then));
}

describe("systemd's manager", () => {
  let directory: string;
  let server: Server | undefined;
  let calls: string[];
  let answers: Answer[];
  let connections: number;

  const manager = () => new SystemdManager([join(directory, "private")]);
  const job = (result: string): Answer => ({ reply: [JOB], signature: "o", then: result });

  beforeEach(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-dbus-" });
    calls = [];
    answers = [];
    connections = 0;
    server = await serveDouble(join(directory, "private"), (member) => {
      calls.push(member);
      return answers.shift() ?? "hang up";
    });
    server.on("connection", () => connections++);
  });

  afterEach(async () => {
    server?.close();
    await Deno.remove(directory, { recursive: true });
  });

  it("starts a unit and waits for its job", async () => {
    answers = [job("done")];
    using systemd = manager();
    await systemd.startTransientUnit("a.scope", [["PIDs", "au", [1]]]);
    assert.deepEqual(calls, ["StartTransientUnit"]);
  });

  it("understands a job that has ended before the answer came", async () => {
    answers = [{ early: "done" }];
    using systemd = manager();
    await systemd.startTransientUnit("a.scope", []);
  });

  it("says how a job has failed", async () => {
    answers = [job("timeout")];
    using systemd = manager();
    await assert.rejects(systemd.startTransientUnit("a.scope", []), {
      message: "systemd: start a.scope: the job ended: timeout",
    });
  });

  it("gives systemd's own words when it refuses", async () => {
    answers = [{ error: "org.freedesktop.systemd1.UnitExists", text: "Unit a.scope exists." }];
    using systemd = manager();
    await assert.rejects(systemd.startTransientUnit("a.scope", []), {
      code: "already_exists",
      message: "systemd: start a.scope: Unit a.scope exists.",
    });
  });

  it("takes a unit that is not there for stopped", async () => {
    const gone = { error: "org.freedesktop.systemd1.NoSuchUnit", text: "not loaded" };
    answers = [gone, gone];
    using systemd = manager();
    await systemd.stopUnit("a.scope");
    await systemd.resetFailed("a.scope");
  });

  it("fails when the connection is lost while a job runs, and connects anew", async () => {
    answers = [{ reply: [JOB], signature: "o" }, "hang up", job("done")];
    using systemd = manager();
    const lost = systemd.startTransientUnit("a.scope", []);
    const hungUp = systemd.stopUnit("b.scope");
    await assert.rejects(lost, { code: "unavailable" });
    await assert.rejects(hungUp, { code: "unavailable" });
    await systemd.startTransientUnit("a.scope", []);
  });

  it("connects once for all who find the connection lost", async () => {
    const done: Answer = { reply: [], signature: "" };
    answers = ["hang up", done, done];
    using systemd = manager();
    await assert.rejects(systemd.resetFailed("a.scope"), { code: "unavailable" });
    await Promise.all([systemd.resetFailed("a.scope"), systemd.resetFailed("b.scope")]);
    assert.equal(connections, 2);
  });

  it("gives up a call that is never answered, and goes on with the next", async () => {
    answers = ["hang", job("done")];
    using systemd = new SystemdManager([join(directory, "private")], { callMs: 2_000 });
    await assert.rejects(systemd.startTransientUnit("a.scope", []), {
      code: "deadline_exceeded",
      message: /StartTransientUnit/,
    });
    await systemd.startTransientUnit("a.scope", []);
  });

  it("says where it looked when nobody is there", async () => {
    using systemd = new SystemdManager([join(directory, "no"), join(directory, "where")]);
    await assert.rejects(systemd.stopUnit("a.scope"), {
      code: "unavailable",
      message: /no: .*ENOENT.*where: .*ENOENT/,
    });
  });
});

describe("a D-Bus connection", () => {
  it("talks to the bus that distributions run", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-bus-" });
    const path = join(directory, "bus");
    const args = ["--session", "--nofork", "--nopidfile", "--print-address=1"];
    const child = start("dbus-daemon", [...args, `--address=unix:path=${path}`], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(child.stdout!, "data");
      using connection = await DbusConnection.open(path, () => {});
      const bus = {
        destination: "org.freedesktop.DBus",
        path: "/org/freedesktop/DBus",
        interface: "org.freedesktop.DBus",
      };
      const hello = { ...bus, member: "Hello", signature: "", values: [] };
      assert.match(String((await connection.call(hello))[0]), /^:1\./);
      const names = { ...bus, member: "ListNames", signature: "", values: [] };
      assert.ok((await connection.call(names))[0]);
      const owner = { ...bus, member: "GetNameOwner", signature: "s", values: ["no.such"] };
      await assert.rejects(connection.call(owner), {
        error: "org.freedesktop.DBus.Error.NameHasNoOwner",
      });
    } finally {
      child.kill("SIGKILL");
      await exit(child, "dbus-daemon");
      await Deno.remove(directory, { recursive: true });
    }
  });
});
