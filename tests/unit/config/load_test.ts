import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { dirname, join } from "@std/path";
import { type HostDefaults, loadConfig, type LoadedConfig } from "../../../src/config/mod.ts";
import { FLAGS, parseFlag } from "../../../src/config/mod.ts";

/** Loads a configuration of files: `crio.conf` and drop-ins by their paths below `crio.conf.d`. */
async function load(files: {
  readonly main?: string;
  readonly dropIns?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly flags?: Readonly<Record<string, string>>;
  readonly host?: HostDefaults;
}): Promise<LoadedConfig> {
  const directory = await Deno.makeTempDir({ prefix: "crid-config-" });
  try {
    const main = join(directory, "crio.conf");
    const dropIns = join(directory, "crio.conf.d");
    if (files.main !== undefined) await Deno.writeTextFile(main, files.main);
    for (const [name, text] of Object.entries(files.dropIns ?? {})) {
      await Deno.mkdir(dirname(join(dropIns, name)), { recursive: true });
      await Deno.writeTextFile(join(dropIns, name), text);
    }
    const given = { config: files.main === undefined ? "" : main, "config-dir": dropIns };
    return await loadConfig({
      flags: Object.entries({ ...given, ...files.flags }).map(([name, text]) =>
        parseFlag(FLAGS.find((flag) => flag.name === name)!, [text])
      ),
      env: files.env ?? {},
      ...(files.host && { host: files.host }),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("loading the configuration", () => {
  it("takes defaults, then file, then drop-ins, then variables, then flags", async () => {
    const main = '[crio]\nroot = "/file"\nrunroot = "/file"\n[crio.api]\nlisten = "/file"\n' +
      '[crio.runtime]\nlog_level = "debug"\n[crio.image]\npause_image = "file"';
    const { config } = await load({
      main,
      dropIns: { "10.conf": '[crio]\nrunroot = "/drop"\n[crio.api]\nlisten = "/drop"\n' },
      env: { CONTAINER_LISTEN: "/env", CONTAINER_PAUSE_IMAGE: "env" },
      flags: { "pause-image": "flag" },
    });
    assert.equal(config.crio.log_dir, "/var/log/crio/pods");
    assert.equal(config.crio.root, "/file");
    assert.equal(config.crio.runroot, "/drop");
    assert.equal(config.api.listen, "/env");
    assert.equal(config.image.pause_image, "flag");
    assert.equal(config.runtime.log_level, "debug");
  });

  it("reads every drop-in, whatever its name, in lexical order with sub-directories", async () => {
    const { config, messages } = await load({
      dropIns: {
        "20-b": '[crio.image]\npause_image = "20"\npause_command = "20"',
        "10-a.conf.rpmnew": '[crio.image]\npause_image = "10"\npause_image_auth_file = "10"',
        "15-dir/99": '[crio.image]\npause_image_auth_file = "15"\npause_command = "15"',
        ".hidden": '[crio.image]\nshort_name_mode = "disabled"',
      },
    });
    assert.equal(config.image.pause_image, "20");
    assert.equal(config.image.pause_image_auth_file, "15");
    assert.equal(config.image.pause_command, "20");
    assert.equal(config.image.short_name_mode, "disabled");
    const read = messages.map((message) => message.text).filter((text) => /drop-in/.test(text));
    assert.deepEqual(read.map((text) => text.replace(/.*crio\.conf\.d\//, "")), [
      ".hidden",
      "10-a.conf.rpmnew",
      "15-dir/99",
      "20-b",
    ]);
  });

  it("skips what is no file among the drop-ins, and says so", async () => {
    const directory = await Deno.makeTempDir({ prefix: "crid-config-" });
    try {
      await new Deno.Command("mkfifo", { args: [join(directory, "fifo")] }).output();
      await Deno.symlink("/usr", join(directory, "link"));
      const { messages } = await loadConfig({
        flags: [],
        env: { CONTAINER_CONFIG: "", CONTAINER_CONFIG_DIR: directory },
      });
      const skipped = messages.filter(({ level }) => level === "warning");
      assert.deepEqual(skipped.map(({ fields }) => fields?.["path"]), [
        join(directory, "fifo"),
        join(directory, "link"),
      ]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  it("replaces a runtime handler and a workload as a whole, and keeps the others", async () => {
    const { config } = await load({
      main: `[crio.runtime.runtimes.runc]
runtime_path = "/usr/bin/runc"
monitor_env = ["A=b"]
container_create_timeout = 300
[crio.runtime.workloads.a]
activation_annotation = "a"
[crio.runtime.workloads.a.resources]
cpushares = 5
[crio.runtime.workloads.b]
activation_annotation = "b"`,
      dropIns: {
        "1": `[crio.runtime.runtimes.runc]
runtime_root = "/run/mine"
[crio.runtime.workloads.a]
activation_annotation = "c"`,
      },
    });
    const { runtimes, workloads } = config.runtime;
    assert.deepEqual(Object.keys(runtimes), ["crun", "runc"]);
    assert.equal(runtimes["runc"]?.runtime_path, "");
    assert.equal(runtimes["runc"]?.runtime_root, "/run/mine");
    assert.deepEqual(runtimes["runc"]?.monitor_env, []);
    assert.equal(runtimes["runc"]?.container_create_timeout, 240);
    assert.deepEqual(runtimes["crun"]?.allowed_annotations, [
      "io.containers.trace-syscall",
      "devices.crio.io",
    ]);
    assert.equal(workloads["a"]?.activation_annotation, "c");
    assert.equal(workloads["a"]?.resources.cpushares, 0);
    assert.equal(workloads["b"]?.activation_annotation, "b");
  });

  it("joins storage_option lists, the last of equal entries staying", async () => {
    const { config } = await load({
      host: { storage: { storage_option: ["a", "b"] } },
      main: '[crio]\nstorage_option = ["c", "a"]',
      dropIns: { "1": '[crio]\nstorage_option = ["b", "d"]' },
    });
    assert.deepEqual(config.crio.storage_option, ["c", "a", "b", "d"]);
  });

  it("replaces every other list", async () => {
    const { config } = await load({
      main: '[crio.runtime]\nhooks_dir = ["/a"]',
      dropIns: { "1": '[crio.runtime]\nhooks_dir = ["/b"]' },
    });
    assert.deepEqual(config.runtime.hooks_dir, ["/b"]);
  });

  it("takes storage.conf's values as defaults, and for empty values", async () => {
    const { config, defaults } = await load({
      host: { storage: { root: "/s/root", runroot: "/s/run", storage_driver: "vfs" } },
      main: '[crio]\nrunroot = ""\nstorage_driver = ""',
    });
    assert.equal(config.crio.root, "/s/root");
    assert.equal(config.crio.runroot, "/s/run");
    assert.equal(config.crio.storage_driver, "vfs");
    assert.equal(defaults.crio.root, "/s/root");
  });

  it("warns of unknown keys and tables with file and key, and ignores them", async () => {
    const { config, messages } = await load({
      main: `colour = 1
[crio]
rooot = "/x"
root = "/y"
[crio.runtime.runtimes.runc]
speed = "high"
[crio.extra]
a = 1
[other]
b = 1`,
    });
    assert.equal(config.crio.root, "/y");
    const warnings = messages.filter(({ level }) => level === "warning");
    assert.deepEqual(
      new Set(warnings.map(({ fields }) => fields?.["key"])),
      new Set([
        "colour",
        "other",
        "crio.rooot",
        "crio.extra",
        "crio.runtime.runtimes.runc.speed",
      ]),
    );
    assert.ok(warnings.every(({ fields }) => String(fields?.["file"]).endsWith("/crio.conf")));
  });

  it("finds keys and tables in another case", async () => {
    const { config } = await load({
      main: '[CRIO]\nRoot = "/x"\n[CRIO.Runtime]\nLog_Level = "warn"',
    });
    assert.equal(config.crio.root, "/x");
    assert.equal(config.runtime.log_level, "warn");
  });

  it("does not take the names of handlers in another case", async () => {
    const { config } = await load({ main: '[crio.runtime.runtimes.Crun]\nruntime_path = "/x"' });
    assert.deepEqual(Object.keys(config.runtime.runtimes), ["crun", "Crun"]);
  });

  const misfits: readonly (readonly [text: string, expected: RegExp])[] = [
    ["[crio]\nroot = 5", /line 2: crio\.root: expected a string, found an integer$/],
    ["[crio]\n\n# x\ninternal_wipe = 'yes'", /line 4: crio\.internal_wipe: expected true or false/],
    [
      "[crio.runtime]\npids_limit = 1.5",
      /line 2: .*pids_limit: expected an integer, found a float/,
    ],
    ["[crio.runtime]\npids_limit = 99999999999999999", /line 2: .*(value out of range|losslessly)/],
    [
      '[crio.runtime]\nhooks_dir = [\n  "/a",\n  "/b",\n]\ndefault_env = [\n  "A=b",\n  1,\n]',
      /line 6: crio\.runtime\.default_env: expected an array of strings, found an integer/,
    ],
    ["[crio.runtime]\nhooks_dir = '/a'", /line 2: .*expected an array of strings, found a string/],
    ["[crio]\nruntime = 1", /line 2: crio\.runtime: expected a table, found an integer/],
    ["crio = 1", /line 1: crio: expected a table/],
    [
      "[crio.runtime.runtimes]\nrunc = 1",
      /line 2: crio\.runtime\.runtimes\.runc: expected a table/,
    ],
    [
      "[crio.runtime.runtimes.runc]\nruntime_path = true",
      /line 2: crio\.runtime\.runtimes\.runc\.runtime_path: expected a string, found a boolean/,
    ],
    ["[crio.image]\npull_progress_timeout = 'soon'", /line 2: .*invalid duration "soon"/],
    ["[crio]\nroot = 2026-01-01", /line 2: .*expected a string, found a date/],
    ['[crio]\nroot = "/a\nrunroot = 1', /line 2: /],
    ["[crio]\nroot = '/a'\nroot = '/b'", /line 3: /],
    ["[crio.runtime.runtimes.__proto__]\nruntime_path = '/x'", /line 1/],
  ];
  for (const [text, expected] of misfits) {
    it(`refuses ${JSON.stringify(text)} with file and line`, async () => {
      await assert.rejects(load({ dropIns: { "bad": text } }), (error: Error) => {
        assert.match(error.message, /^unable to decode configuration \/.*\/crio\.conf\.d\/bad: /);
        assert.match(error.message, expected);
        return true;
      });
    });
  }

  it("refuses a file that is not UTF-8", async () => {
    const path = await Deno.makeTempFile();
    try {
      await Deno.writeFile(path, new Uint8Array([0x5b, 0xff, 0xfe]));
      await assert.rejects(
        loadConfig({ flags: [], env: { CONTAINER_CONFIG: path, CONTAINER_CONFIG_DIR: "" } }),
        /not UTF-8/,
      );
    } finally {
      await Deno.remove(path);
    }
  });

  it("refuses a missing file that was named, and /dev/null is an empty one", async () => {
    const env = { CONTAINER_CONFIG: "/nowhere/crio.conf", CONTAINER_CONFIG_DIR: "" };
    await assert.rejects(loadConfig({ flags: [], env }), /\/nowhere\/crio\.conf: no such file/);
    const { config, defaults } = await loadConfig({
      flags: [],
      env: { CONTAINER_CONFIG: "/dev/null", CONTAINER_CONFIG_DIR: "/nowhere" },
    });
    assert.deepEqual({ ...config, options: 0 }, { ...defaults, options: 0 });
  });

  it("reads durations as Go's text or as nanoseconds", async () => {
    const { config } = await load({
      main: "[crio.image]\npull_progress_timeout = '1m30s'\n" +
        "[crio.network]\ncni_status_grace_period = 2000000000",
    });
    assert.equal(config.image.pull_progress_timeout, 90_000);
    assert.equal(config.network.cni_status_grace_period, 2_000);
  });
});
