import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { type Config, defaultConfig } from "../../../src/config/mod.ts";
import { type IsolateName, permissionsOf } from "../../../src/isolates/permissions.ts";
import type { Attempts, Outcomes } from "./probe_worker.ts";

const DENIED = "NotCapable";

describe("the walls of the isolates", () => {
  let directory: string;
  let config: Config;
  let attempts: Attempts;
  let stopped: Promise<unknown>;
  const listeners: Disposable[] = [];

  before(async () => {
    directory = await Deno.makeTempDir({ prefix: "crid-walls-" });
    const at = (name: string) => join(directory, name);
    const defaults = defaultConfig();
    config = {
      ...defaults,
      crio: { ...defaults.crio, root: at("storage") },
      api: { ...defaults.api, listen: at("crid.sock"), stream_port: "10010" },
      image: { ...defaults.image, signature_policy: at("policy.json") },
      options: { ...defaults.options, registries_conf: at("registries.conf") },
    };
    await Deno.mkdir(at("storage"));
    for (const name of ["policy.json", "registries.conf", "secret", "storage/layer"]) {
      await Deno.writeTextFile(at(name), "{}");
    }
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () => new Response("hello"),
    );
    const { port } = server.addr;
    const socket = Deno.listen({ transport: "unix", path: at("other.sock") });
    const other = new Deno.Command("sleep", { args: ["1000"] }).spawn();
    listeners.push({ [Symbol.dispose]: () => other.kill("SIGKILL") });
    stopped = other.status;
    listeners.push(socket, { [Symbol.dispose]: () => void server.shutdown() });
    attempts = {
      read: [at("policy.json"), at("registries.conf"), at("secret"), at("storage/layer")],
      write: [at("secret"), at("storage/layer"), at("registries.conf")],
      connect: `127.0.0.1:${port}`,
      unixSocket: at("other.sock"),
      pid: other.pid,
    };
  });
  after(async () => {
    for (const listener of listeners) listener[Symbol.dispose]();
    await stopped;
    await Deno.remove(directory, { recursive: true });
  });

  async function tried(name: IsolateName): Promise<Outcomes> {
    const worker = new Worker(new URL("./probe_worker.ts", import.meta.url), {
      type: "module",
      deno: { permissions: permissionsOf(name, config) },
    });
    const { promise, resolve, reject } = Promise.withResolvers<Outcomes>();
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(attempts);
    return await promise.finally(() => worker.terminate());
  }

  const at = (kind: string, name: string) => `${kind} ${join(directory, name)}`;

  it("let pull reach registries and its configuration, and nothing else", async () => {
    const outcomes = await tried("pull");
    assert.equal(outcomes["connect"], "allowed");
    assert.equal(outcomes["fetch"], "allowed");
    assert.equal(outcomes[at("read", "policy.json")], "allowed");
    assert.equal(outcomes[at("read", "registries.conf")], "allowed");
    const walled = [
      ...["spawn", "node spawn", "ffi", "env", "hostname", "kill", "unix socket"],
      ...[at("read", "secret"), at("read", "storage/layer")],
      ...["secret", "storage/layer", "registries.conf"].map((name) => at("write", name)),
    ];
    for (const attempt of walled) assert.equal(outcomes[attempt], DENIED, attempt);
  });

  it("let unpack reach the storage root, and nothing else", async () => {
    const outcomes = await tried("unpack");
    for (const attempt of ["ffi", at("read", "storage/layer"), at("write", "storage/layer")]) {
      assert.equal(outcomes[attempt], "allowed", attempt);
    }
    const walled = [
      ...["spawn", "node spawn", "env", "hostname", "kill", "connect", "fetch", "unix socket"],
      ...["policy.json", "registries.conf", "secret"].map((name) => at("read", name)),
      ...["secret", "registries.conf"].map((name) => at("write", name)),
    ];
    for (const attempt of walled) assert.equal(outcomes[attempt], DENIED, attempt);
  });

  it("keep cri from the network but for its own sockets", async () => {
    const outcomes = await tried("cri");
    assert.equal(outcomes["spawn"], "allowed");
    for (const attempt of ["connect", "fetch"]) assert.equal(outcomes[attempt], DENIED, attempt);
  });
});
