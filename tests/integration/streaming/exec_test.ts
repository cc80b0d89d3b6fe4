import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { connect } from "node:net";
import { after, before, describe, it } from "@std/testing/bdd";
import { SpdyClient } from "../../harness/spdy_client.ts";
import {
  ALL,
  eventually,
  leavesNothing,
  OUTPUTS,
  type StreamNode,
  streamNode,
  TERMINAL,
  until,
} from "./node.ts";

for (const runtime of ["runc", "crun"] as const) {
  describe(`exec with ${runtime}`, () => {
    let node: StreamNode;
    let id: string;
    before(async () => {
      node = await streamNode({ runtime });
      id = await node.container({
        envs: [{ key: "COLOUR", value: Buffer.from("blue") }],
        workingDir: "/tmp",
        linux: {
          securityContext: {
            runAsUser: { value: 1000n },
            runAsGroup: { value: 2000n },
            supplementalGroups: [3000n],
            capabilities: { dropCapabilities: ["NET_RAW"] },
          },
        },
      });
    });
    after(() => leavesNothing(node));

    const count = (word: string) => `ps | grep -c '[${word[0]}]${word.slice(1)}'`;

    it("carries input, output, errors and the exit code, each by itself", async () => {
      const client = await node.shell(id, "cat; echo bad >&2; exit 3", ALL);
      await client.stdin!.write(Buffer.from([0, 255, 10, 13, 4, 3]));
      await client.stdin!.end();
      assert.deepEqual([...await client.stdout!.all()], [0, 255, 10, 13, 4, 3]);
      assert.equal(await client.stderr!.text(), "bad\n");
      assert.match(await client.error.text(), /"ExitCode","message":"3"/);
      await client.connection.closed;
    });

    it("runs as the container does: user, groups, environment, directory, capabilities, cgroup", async () => {
      const script =
        "id; echo $COLOUR$GOGC$GOMAXPROCS; pwd; grep Cap /proc/self/status; cat /proc/self/cgroup";
      const client = await node.shell(id, script, OUTPUTS);
      const streamed = await client.stdout!.text();
      client.connection.close();
      assert.match(streamed, /^uid=1000\b.* gid=2000\b.*\b3000\b/);
      assert.match(streamed, /blue\n\/tmp\n/);
      const init = await node.look(id, "grep Cap /proc/1/status; cat /proc/1/cgroup");
      assert.ok(streamed.trim().endsWith(init), `${streamed}\n${init}`);
    });

    it("may open its streams by name, as programs that log to /dev/stderr do", async () => {
      const client = await node.shell(id, "echo out >/dev/stdout; echo err >/dev/stderr", OUTPUTS);
      assert.equal(await client.stdout!.text(), "out\n");
      assert.equal(await client.stderr!.text(), "err\n");
      client.connection.close();
    });

    it("has a null device of its own when there is no input, and leaves the host's alone", async () => {
      const owner = async () => {
        const { uid, gid } = await Deno.stat("/dev/null");
        return `${uid}:${gid}`;
      };
      const before = await owner();
      const script = "ls -lL /proc/self/fd/0; readlink /proc/self/fd/0; cat; echo end; sleep 0.2";
      const client = await node.shell(id, script, ["stdout"]);
      assert.match(
        await client.stdout!.text(),
        /^crw-rw-rw- .* 1, +3 .*\n\/dev\/null\nend\n$/,
      );
      client.connection.close();
      const terminal = await node.shell(id, "sleep 0.2", TERMINAL);
      await terminal.error.all();
      terminal.connection.close();
      assert.equal(await node.look(id, "cat; echo end"), "end");
      assert.equal(await owner(), before);
    });

    it("ends with its process, whatever is left of its input or in the background", async () => {
      const client = await node.shell(id, "sleep 31415 & echo done", ALL);
      assert.equal(await client.stdout!.text(), "done\n");
      assert.match(await client.error.text(), /Success/);
      client.connection.close();
      await node.look(id, "pkill -f 31415");
    });

    it("loses nothing of a quick command's output", async () => {
      for (let round = 0; round < 5; round++) {
        const client = await node.shell(id, "head -c 100000 /dev/zero; echo end >&2", OUTPUTS);
        assert.equal((await client.stdout!.all()).length, 100_000);
        assert.equal(await client.stderr!.text(), "end\n");
        client.connection.close();
      }
    });

    it("says that there is no such command, in the runtime's words", async () => {
      for (const types of [OUTPUTS, TERMINAL]) {
        const client = await node.exec(id, ["no-such-command"], types);
        const error = await client.error.text();
        assert.match(error, /"InternalError".*exec in container/);
        // crun says it on the terminal.
        assert.match(error + await client.stdout!.text(), /no-such-command/);
        client.connection.close();
      }
    });

    it("refuses at once what cannot work", async () => {
      const { runtime } = node.crid.client;
      const request = { cmd: ["true"], stdout: true };
      await assert.rejects(runtime.exec({ containerId: "nobody", ...request }), /not.?found/i);
      await assert.rejects(runtime.exec({ containerId: id, cmd: [], stdout: true }), /empty/);
      await assert.rejects(runtime.exec({ containerId: id, cmd: ["true"] }), /must be true/);
      const ended = await node.container({ command: ["true"] });
      await eventually(
        () => runtime.exec({ containerId: ended, ...request }).then(() => undefined, String),
        "exec in a container that has ended is refused",
      );
    });

    it("gives a terminal: its size, its echo, its signals, and no second output", async () => {
      const client = await node.shell(id, "tty; exec sh", TERMINAL);
      let out = "";
      client.stdout!.onData = (data) => out += data;
      const says = (what: RegExp) => eventually(() => what.test(out) || undefined, `${what}`);
      await client.resize!.write('{"Width":101,"Height":33}');
      await says(/^\/dev\/pts\/\d+\r\n/);
      await client.stdin!.write("stty size; echo to err >&2\n");
      await says(/33 101\r\nto err\r\n/);
      await client.stdin!.write("echo ec''ho; sleep 1234\n");
      await says(/\r\necho\r\n/);
      await client.stdin!.write("\x03");
      // What was typed before the shell is back would be dropped with the rest of the line.
      await says(/\^C\r\n.*[#$] /s);
      await client.stdin!.write("echo after''wards $((6*7)); exit 5\n");
      await says(/afterwards 42\r\n/);
      assert.match(await client.error.text(), /"ExitCode","message":"5"/);
      await client.connection.closed;
    });

    it("goes on after the end of a terminal's input", async () => {
      const client = await node.shell(id, "sleep 1; echo still here", TERMINAL);
      await client.stdin!.end();
      assert.equal(await client.stdout!.text(), "still here\r\n");
      client.connection.close();
    });

    it("tells a terminal the last size of a flood, and nonsense does no harm", async () => {
      const client = await node.shell(
        id,
        "while read line; do stty size; done",
        TERMINAL,
      );
      let out = "";
      client.stdout!.onData = (data) => out = `${out}${data}`.slice(-1000);
      await client.resize!.write('{"Width":-1,"Height":99999999}{"Width":"x"}]]{"Width":}');
      for (let width = 1; width <= 20_000; width++) {
        await client.resize!.write(`{"Width":${width % 500 + 1},"Height":${width % 99 + 1}}`);
      }
      await client.resize!.write('{"Width":77,"Height":55}');
      await eventually(async () => {
        await client.stdin!.write("size\n");
        return out.includes("55 77\r\n") || undefined;
      }, "the last size");
      client.connection.close();
    });

    it("hangs up a terminal whose client has vanished", async () => {
      const client = await node.shell(id, "exec sleep 27182", TERMINAL);
      await until(node, id, count("sleep 27182"), "1");
      client.connection.close();
      await until(node, id, count("sleep 27182"), "0");
    });

    it("meets a broken pipe when the client of its output has vanished", async () => {
      const client = await node.shell(id, "while echo 16180; do :; done", OUTPUTS);
      client.stdout!.onData = () => {};
      await eventually(() => client.stdout!.size > 0 || undefined, "it writes");
      client.connection.close();
      await until(node, id, count("echo 16180"), "0");
    });

    it("ends when the container is stopped", async () => {
      const other = await node.container();
      const clients = [
        await node.shell(other, "echo here; exec sleep 98765", ALL),
        await node.shell(other, "echo here; exec sleep 98765", TERMINAL),
      ];
      await until(node, other, count("sleep 98765"), "2");
      await node.crid.client.runtime.stopContainer({ containerId: other, timeout: 0n });
      for (const { error, connection } of clients) {
        assert.match(await error.text(), /"ExitCode","message":"1(37|29)"/);
        connection.close();
      }
    });

    it("goes on with the next session when a client vanishes, at whatever stage", async () => {
      const offer = async () => {
        const request = { containerId: id, cmd: ["sleep", "0.1"], stdin: true, stdout: true };
        return new URL((await node.crid.client.runtime.exec(request)).url);
      };
      const saysOnly = async (text: string) => {
        const { hostname, port } = await offer();
        const socket = connect({ host: hostname, port: Number(port) });
        await new Promise((resolve) => socket.write(text, resolve));
        socket.destroy();
      };
      for (let round = 0; round < 3; round++) {
        await saysOnly("");
        await saysOnly("POST /exec/");
        const upgraded = await SpdyClient.connect((await offer()).href, ["v4.channel.k8s.io"]);
        upgraded.close();
        const opening = await SpdyClient.connect((await offer()).href, ["v4.channel.k8s.io"]);
        opening.open({ streamtype: "error" });
        opening.close();
        for (const types of [OUTPUTS, TERMINAL]) {
          const opened = await node.shell(id, "sleep 0.1", types);
          opened.connection.close();
        }
        for (const types of [ALL, TERMINAL]) {
          const busy = await node.shell(id, "cat; sleep 0.1", types);
          await busy.stdin!.write("x\n".repeat(50_000));
          busy.connection.close();
        }
      }
      const client = await node.shell(id, "true", OUTPUTS);
      assert.match(await client.error.text(), /Success/);
      client.connection.close();
      await until(node, id, "ps | grep -c -e 'sleep 0.[1]' -e '[c]at$'", "0");
    });

    it("leaves no files", async () => {
      const files = async () => {
        const directory = `${node.crid.node.runRoot}/overlay-containers/${id}/userdata`;
        const entries = await Array.fromAsync(Deno.readDir(directory));
        return entries.map(({ name }) => name).filter((name) => /^(exec|console)-/.test(name));
      };
      await eventually(async () => (await files()).length === 0 || undefined, "all files are gone")
        .catch(async (error) => assert.fail(`${error.message}: ${await files()}`));
    });
  });
}
