import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parse } from "@std/toml";
import { assign, type Assignment } from "../../../src/config/assignment.ts";
import { decodeFile } from "../../../src/config/decode.ts";
import {
  type Config,
  defaultConfig,
  printFile,
  printMarkdown,
  printToml,
} from "../../../src/config/mod.ts";
import { ENTRIES } from "../../../src/config/table.ts";

const defaults = defaultConfig();

/** A value other than the default in every key, with characters that must be escaped. */
function changedConfig(): Config {
  const changes = ENTRIES.filter(({ path }) => path[0] !== "options").flatMap<Assignment>(
    ({ path, setting }) => {
      switch (setting.type) {
        case "string":
          return [{ path, value: 'a "quoted" \\ \x7f\n\u00e9 text' }];
        case "boolean":
          return [{ path, value: !setting.default }];
        case "integer":
        case "duration":
          return [{ path, value: setting.default + 1000 }];
        case "list":
          return [{ path, value: ["one", 'two "2"', ""] }];
        default:
          return [];
      }
    },
  );
  const handler = defaults.runtime.runtimes["crun"]!;
  const workload = {
    activation_annotation: "a/b",
    annotation_prefix: "p",
    allowed_annotations: [],
  };
  const resources = { cpushares: 1, cpuquota: 2, cpuperiod: 3, cpuset: "0", cpulimit: 4 };
  return assign(defaults, [
    ...changes,
    {
      path: ["runtime", "runtimes"],
      value: {
        "name.with dots": {
          ...handler,
          default_annotations: { "a/b": "c" },
          platform_runtime_paths: { "linux/arm64": "/x" },
          seccomp_profile: "/kept",
        },
      },
    },
    { path: ["runtime", "workloads"], value: { w: { ...workload, resources } } },
  ]);
}

/** What a printed file says, over the defaults without handlers. */
function reload(text: string): Config {
  const { assignments, unknown } = decodeFile("printed", text);
  assert.deepEqual(unknown, []);
  const bare = assign(defaults, [{ path: ["runtime", "runtimes"], value: {} }]);
  return assign(bare, assignments);
}

describe("the printed configuration file", () => {
  it("holds nothing but comments and table headers when all is default", () => {
    const lines = printFile(defaults, { defaults }).split("\n");
    const others = lines.filter((line) => line !== "" && !/^#/.test(line));
    assert.deepEqual(others.filter((line) => !/^\[crio(\.[a-z_]+)*\]$/.test(line)), []);
    assert.ok(others.includes("[crio.runtime]"));
  });

  it("uncomments what differs from the defaults, and only that", () => {
    const config = assign(defaults, [{ path: ["runtime", "log_level"], value: "debug" }]);
    const set = printFile(config, { defaults }).split("\n").filter((line) => /^[^#[]/.test(line));
    assert.deepEqual(set, ['log_level = "debug"']);
  });

  it("is the defaults again when they are printed uncommented and loaded", () => {
    assert.deepEqual(reload(printFile(defaults)), defaults);
  });

  it("loses nothing of a configuration that differs in every key", () => {
    const config = changedConfig();
    assert.deepEqual(reload(printFile(config)), config);
    assert.deepEqual(reload(printFile(config, { defaults })), config);
  });

  it("has every key on a line that sed can edit", () => {
    const text = printFile(defaults);
    for (const { key, path, setting } of ENTRIES) {
      if (path[0] === "options" || setting.type !== "string") continue;
      assert.match(text, new RegExp(`^${key} = ".*"$`, "m"));
    }
    assert.match(text, /^hooks_dir = \[\n\t"\/usr\/share\/containers\/oci\/hooks\.d",\n\]$/m);
    assert.match(text, /^metrics_port = 9090$/m);
    assert.match(text, /^pull_progress_timeout = "0s"$/m);
    assert.match(text, /^nri_plugin_registration_timeout = "5s"$/m);
  });

  it("keeps its comments within 80 columns", () => {
    const long = printFile(defaults).split("\n").filter((line) => line.startsWith("# "))
      .filter((line) => line.length > 80);
    assert.deepEqual(long, []);
  });
});

describe("the plain TOML dump", () => {
  it("holds every key of every table and loads to the same configuration", () => {
    const config = changedConfig();
    assert.deepEqual(reload(printToml(config, { for: "file" })), config);
    const document = parse(printToml(defaults, { for: "file" })) as {
      crio: Record<string, unknown>;
    };
    assert.deepEqual(
      Object.keys(document.crio["nri"] as object).includes("default_validator"),
      true,
    );
  });

  it("keeps the values of environment variables out of the log", () => {
    const config = assign(defaults, [
      { path: ["runtime", "default_env"], value: ["TOKEN=hunter2"] },
      { path: ["runtime", "conmon_env"], value: ["TOKEN=hunter2"] },
    ]);
    const text = printToml(config, { for: "log" });
    assert.doesNotMatch(text, /hunter2/);
    assert.match(text, /TOKEN=<hidden>/);
    assert.match(printToml(config, { for: "file" }), /hunter2/);
  });
});

describe("docs/configuration.md", () => {
  it("is what the table says: deno task docs writes it", async () => {
    const path = new URL("../../../docs/configuration.md", import.meta.url);
    assert.equal(await Deno.readTextFile(path), printMarkdown());
  });

  it("has every key and flag", () => {
    const text = printMarkdown();
    for (const { key, setting } of ENTRIES) {
      assert.ok(text.includes(`### ${key}\n`), key);
      if (setting.flag !== undefined) {
        assert.ok(text.includes(`\`--${setting.flag}\``), setting.flag);
      }
    }
  });
});
