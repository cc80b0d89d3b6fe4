import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { FLAGS, loadConfig, overrideText, parseFlag } from "../../../src/config/mod.ts";
import { valueAt } from "../../../src/config/assignment.ts";
import type { Config } from "../../../src/config/mod.ts";

function flag(name: string) {
  return FLAGS.find((candidate) => candidate.name === name)!;
}

async function withFlag(name: string, ...texts: string[]): Promise<Config> {
  const env = { CONTAINER_CONFIG: "", CONTAINER_CONFIG_DIR: "" };
  return (await loadConfig({ flags: [parseFlag(flag(name), texts)], env })).config;
}

async function withVariables(env: Record<string, string>): Promise<Config> {
  const none = { CONTAINER_CONFIG: "", CONTAINER_CONFIG_DIR: "" };
  return (await loadConfig({ flags: [], env: { ...none, ...env } })).config;
}

describe("flags", () => {
  it("each set the key that they belong to", async () => {
    for (const { name, path, setting } of FLAGS) {
      if (setting.type !== "string" || name.startsWith("config")) continue;
      const config = await withFlag(name, "x");
      assert.equal(valueAt(config, path), "x", name);
    }
  });

  const values: readonly (readonly [string, readonly string[], string, unknown])[] = [
    ["selinux", ["true"], "runtime.selinux", true],
    ["selinux", ["0"], "runtime.selinux", false],
    ["metrics-port", ["0x10"], "metrics.metrics_port", 16],
    ["log-size-max", ["-1"], "runtime.log_size_max", -1],
    ["log-size-max", ["9000", "10000"], "runtime.log_size_max", 10000],
    ["pull-progress-timeout", ["1.5s"], "image.pull_progress_timeout", 1500],
    ["hooks-dir", ["/a, /b", "/c"], "runtime.hooks_dir", ["/a", "/b", "/c"]],
    ["hooks-dir", [""], "runtime.hooks_dir", []],
    ["storage-opt", ["x"], "crio.storage_option", ["x"]],
  ];
  for (const [name, texts, path, expected] of values) {
    it(`--${name} ${texts.join(" and ") || '""'} sets ${path}`, async () => {
      assert.deepEqual(valueAt(await withFlag(name, ...texts), path.split(".")), expected);
    });
  }

  const refused: readonly (readonly [string, string, string])[] = [
    ["metrics-port", "foo", 'invalid value "foo" for flag -metrics-port: parse error'],
    ["metrics-port", "", 'invalid value "" for flag -metrics-port: parse error'],
    [
      "metrics-port",
      "18446744073709551616",
      'invalid value "18446744073709551616" for flag -metrics-port: value out of range',
    ],
    ["selinux", "yes", 'invalid boolean value "yes" for -selinux: parse error'],
    ["pull-progress-timeout", "1", "time: invalid duration"],
    ["runtimes", "runc:/r", 'invalid format for --runtimes: "runc:/r"'],
    ["runtimes", "a:b:c:d:e:f:g:h", 'invalid format for --runtimes: "a:b:c:d:e:f:g:h"'],
    ["runtimes", "a:b:c:oci:true::lots", 'invalid size: "lots"'],
  ];
  for (const [name, text, expected] of refused) {
    it(`--${name} ${JSON.stringify(text)} is refused in Go's words`, () => {
      assert.throws(
        () => parseFlag(flag(name), [text]),
        (error: Error) => error.message.includes(expected),
      );
    });
  }

  it("--runtimes replaces whole handlers, fields by their places", async () => {
    const config = await withFlag("runtimes", "crun:/c:/root", "kata:/k:/r:vm:true:/conf:20MiB");
    const { crun, kata } = config.runtime.runtimes;
    assert.equal(crun?.runtime_path, "/c");
    assert.equal(crun?.runtime_root, "/root");
    assert.deepEqual(crun?.allowed_annotations, []);
    assert.deepEqual(
      [
        kata?.runtime_type,
        kata?.privileged_without_host_devices,
        kata?.runtime_config_path,
        kata?.container_min_memory,
      ],
      ["vm", true, "/conf", "20MiB"],
    );
  });

  it("--runtimes takes empty fields, as CRI-O's own tests give them", async () => {
    const { runtimes } = (await withFlag("runtimes", "runc:/usr/bin/runc:/root:oci::")).runtime;
    assert.equal(runtimes["runc"]?.runtime_type, "oci");
    assert.equal(runtimes["runc"]?.privileged_without_host_devices, false);
  });

  it("are logged without the values of environment variables", () => {
    assert.equal(
      overrideText(parseFlag(flag("default-env"), ["A=secret,B=x"])),
      "A=<hidden>,B=<hidden>",
    );
    assert.equal(overrideText(parseFlag(flag("root"), ["/r=x"])), "/r=x");
  });
});

describe("environment variables", () => {
  it("each set the key that they belong to", async () => {
    for (const { path, setting } of FLAGS) {
      for (const variable of setting.env ?? []) {
        if (setting.type !== "string" || variable.startsWith("CONTAINER_CONFIG")) continue;
        assert.equal(valueAt(await withVariables({ [variable]: "x" }), path), "x", variable);
      }
    }
  });

  it("set texts and lists to empty and a bool to false when empty, and leave numbers", async () => {
    const config = await withVariables({
      CONTAINER_PAUSE_COMMAND: "",
      CONTAINER_HOOKS_DIR: "",
      CONTAINER_DROP_INFRA_CTR: "",
      CONTAINER_METRICS_PORT: "",
      CONTAINER_PULL_PROGRESS_TIMEOUT: "",
      CONTAINER_RUNTIMES: "",
    });
    assert.equal(config.image.pause_command, "");
    assert.deepEqual(config.runtime.hooks_dir, []);
    assert.equal(config.runtime.drop_infra_ctr, false);
    assert.equal(config.metrics.metrics_port, 9090);
    assert.equal(config.image.pull_progress_timeout, 0);
    assert.deepEqual(Object.keys(config.runtime.runtimes), ["crun"]);
  });

  it("that cannot be read are named with their flag", async () => {
    await assert.rejects(
      withVariables({ CONTAINER_METRICS_PORT: "foo" }),
      /could not parse "foo" as integer value from environment variable "CONTAINER_METRICS_PORT" for flag metrics-port/,
    );
  });

  it("are found under a historic spelling too", async () => {
    const config = await withVariables({ CONTAINER_INCLUDED_POD_METRCIS: "cpu" });
    assert.deepEqual(config.stats.included_pod_metrics, ["cpu"]);
  });

  it("give way to flags", async () => {
    const { config } = await loadConfig({
      flags: [parseFlag(flag("root"), ["/flag"])],
      env: { CONTAINER_ROOT: "/env", CONTAINER_CONFIG: "", CONTAINER_CONFIG_DIR: "" },
    });
    assert.equal(config.crio.root, "/flag");
  });
});
