import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { decodeFile } from "../../../src/config/decode.ts";
import { assign } from "../../../src/config/assignment.ts";
import {
  type Config,
  defaultConfig,
  minimumMemory,
  notBuilt,
  runtimeHandler,
} from "../../../src/config/mod.ts";
import { resolve } from "../../../src/config/resolve.ts";

function resolved(toml: string): { readonly config: Config; readonly warnings: readonly string[] } {
  const defaults = defaultConfig();
  const decoded = decodeFile("test.conf", toml);
  assert.deepEqual(decoded.unknown, []);
  const { config, messages } = resolve(assign(defaults, decoded.assignments), defaults);
  return { config, warnings: messages.map((message) => message.text) };
}

describe("what a configuration means", () => {
  it("leaves the defaults alone and has nothing to say about them", () => {
    const { config, warnings } = resolved("");
    assert.deepEqual(config, defaultConfig());
    assert.deepEqual(warnings, []);
  });

  it("overwrites the monitor of every oci handler with the deprecated conmon keys", () => {
    const { config, warnings } = resolved(`[crio.runtime]
conmon = "/c"
conmon_cgroup = "pod"
conmon_env = ["A=b"]
[crio.runtime.runtimes.runc]
monitor_path = "/other"
[crio.runtime.runtimes.kata]
runtime_type = "vm"
monitor_path = "/other"`);
    for (const name of ["crun", "runc"]) {
      const handler = runtimeHandler(config, name)!;
      assert.equal(handler.monitor_path, "/c");
      assert.equal(handler.monitor_cgroup, "pod");
      assert.deepEqual(handler.monitor_env, ["A=b"]);
    }
    assert.equal(runtimeHandler(config, "kata")!.monitor_path, "/other");
    assert.deepEqual(warnings.map((text) => text.split(" ")[0]), [
      "conmon",
      "conmon_cgroup",
      "conmon_env",
    ]);
  });

  it("takes crun for an empty default_runtime", () => {
    assert.equal(
      resolved('[crio.runtime]\ndefault_runtime = ""').config.runtime.default_runtime,
      "crun",
    );
  });

  it("lets a handler inherit the default runtime's program", () => {
    const { config } = resolved(`[crio.runtime]
default_runtime = "runc"
[crio.runtime.runtimes.runc]
runtime_root = "/run/r"
[crio.runtime.runtimes.fast]
inherit_default_runtime = true
monitor_cgroup = "pod"`);
    const fast = runtimeHandler(config, "fast")!;
    assert.equal(fast.runtime_path, "runc");
    assert.equal(fast.runtime_root, "/run/r");
    assert.equal(fast.monitor_cgroup, "pod");
  });

  it("fills in what a handler leaves empty", () => {
    const { config } = resolved(`[crio.runtime.runtimes.a]
runtime_type = ""
runtime_root = ""
container_create_timeout = 0
[crio.runtime.runtimes.b]
container_create_timeout = 5`);
    const { runtime_type, runtime_root, container_create_timeout } = runtimeHandler(config, "a")!;
    assert.deepEqual(
      { runtime_type, runtime_root, container_create_timeout },
      { runtime_type: "oci", runtime_root: "/run/crun", container_create_timeout: 240 },
    );
    assert.equal(runtimeHandler(config, "b")!.container_create_timeout, 30);
  });

  it("knows no handler by the names that every object has", () => {
    const { config } = resolved("");
    for (const name of ["constructor", "__proto__", "toString", ""]) {
      assert.equal(runtimeHandler(config, name), undefined);
    }
  });

  it("raises what is too low, with a warning where it was asked for", () => {
    const { config, warnings } = resolved(
      "[crio.runtime]\nctr_stop_timeout = 5\n[crio.api]\ngrpc_max_send_msg_size = 0",
    );
    assert.equal(config.runtime.ctr_stop_timeout, 30);
    assert.equal(config.api.grpc_max_send_msg_size, 83886080);
    assert.match(warnings[0]!, /ctr_stop_timeout.*30s/);
  });

  it("adds plugin_dir to plugin_dirs once", () => {
    const { config } = resolved('[crio.network]\nplugin_dir = "/x"\nplugin_dirs = ["/a"]');
    assert.deepEqual(config.network.plugin_dirs, ["/a", "/x"]);
    const again = resolved('[crio.network]\nplugin_dir = "/a"\nplugin_dirs = ["/a"]');
    assert.deepEqual(again.config.network.plugin_dirs, ["/a"]);
  });

  it("switches checkpoints off with the deprecated enable_criu_support", () => {
    const { config, warnings } = resolved("[crio.runtime]\nenable_criu_support = false");
    assert.equal(config.checkpoint_restore.container_level_enabled, "none");
    assert.match(warnings[0]!, /enable_criu_support is deprecated/);
  });

  it("gives the least memory of a container in bytes", () => {
    const { config, warnings } = resolved(
      '[crio.runtime.runtimes.a]\ncontainer_min_memory = "1.5GiB"\n' +
        '[crio.runtime.runtimes.b]\n[crio.runtime.runtimes.c]\ncontainer_min_memory = "lots"',
    );
    const of = (name: string) => minimumMemory(runtimeHandler(config, name)!);
    assert.deepEqual([of("crun"), of("a"), of("b"), of("c")], [
      512_000,
      1_610_612_736,
      12_582_912,
      12_582_912,
    ]);
    assert.deepEqual(warnings, [
      'runtime handler "c": container_min_memory "lots" is no size; it is 12MiB',
    ]);
  });

  it("names what is set but not built, and nothing that is a default", () => {
    const defaults = defaultConfig();
    assert.deepEqual(notBuilt(defaults, defaults), []);
    const { config } = resolved(`[crio.runtime]
log_level = "debug"
rdt_config_file = "x"
pids_limit = 5
[crio.runtime.runtimes.runc]
runtime_path = "/r"
stream_websockets = true`);
    const profiled = { ...config, options: { ...config.options, profile: true } };
    assert.deepEqual(notBuilt(profiled, defaults), [
      "crio.runtime.rdt_config_file",
      "crio.runtime.runtimes.runc.stream_websockets",
      "--profile",
    ]);
  });

  it("does not name a key that asks for what crid does anyway", () => {
    const { config } = resolved(
      "[crio.nri]\nenable_nri = false\n[crio.runtime]\nenable_criu_support = false\n" +
        "irqbalance_config_restore_file = 'disable'",
    );
    assert.deepEqual(notBuilt(config, defaultConfig()), []);
  });
});
