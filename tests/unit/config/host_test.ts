import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import {
  checkHost,
  type Config,
  defaultConfig,
  makeDirectories,
  type RuntimeHandlerConfig,
} from "../../../src/config/mod.ts";

/** Cgroup manager, monitor_cgroup, whether that is refused. */
const MONITOR_CGROUPS = [
  ["cgroupfs", "", false],
  ["cgroupfs", "pod", false],
  ["cgroupfs", "system.slice", true],
  ["systemd", "", false],
  ["systemd", "pod", false],
  ["systemd", "system.slice", false],
  ["systemd", "elsewhere", true],
] as const;

/** A configuration below a directory of its own, with programs that exist. */
async function withHost(
  test: (host: {
    readonly directory: string;
    readonly config: (handlers: Record<string, Partial<RuntimeHandlerConfig>>) => Config;
    readonly check: (config: Config) => ReturnType<typeof checkHost>;
  }) => Promise<void>,
): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "crid-host-" });
  try {
    const bin = join(directory, "bin");
    await Deno.mkdir(bin);
    for (const name of ["crun", "runc", "conmon"]) {
      await Deno.writeTextFile(join(bin, name), "#!/bin/sh\n", { mode: 0o755 });
    }
    await Deno.writeTextFile(join(bin, "plain"), "", { mode: 0o644 });
    const base = defaultConfig();
    const crun = base.runtime.runtimes["crun"]!;
    await test({
      directory,
      config: (handlers) => ({
        ...base,
        crio: { ...base.crio, log_dir: join(directory, "log/pods") },
        api: { ...base.api, listen: join(directory, "run/crio.sock") },
        network: { ...base.network, network_dir: join(directory, "net.d") },
        runtime: {
          ...base.runtime,
          cgroup_manager: "cgroupfs",
          container_exits_dir: join(directory, "exits"),
          container_attach_socket_dir: join(directory, "attach"),
          namespaces_dir: join(directory, "ns"),
          runtimes: Object.fromEntries(
            Object.entries(handlers).map(([name, handler]) => [name, { ...crun, ...handler }]),
          ),
        },
      }),
      check: (config) => checkHost(config, `${bin}:relative`),
    });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

describe("checking the host before serving", () => {
  it("finds programs in the search path, and changes nothing", () =>
    withHost(async ({ directory, config, check }) => {
      const checked = await check(config({ crun: {}, runc: { monitor_path: "conmon" } }));
      const { crun, runc } = checked.config.runtime.runtimes;
      assert.equal(crun?.runtime_path, join(directory, "bin/crun"));
      assert.equal(crun?.monitor_path, "", "crid's own monitor is not looked for");
      assert.equal(runc?.monitor_path, join(directory, "bin/conmon"));
      assert.deepEqual(Array.from(Deno.readDirSync(directory), ({ name }) => name), ["bin"]);
    }));

  it("goes before the directories are made", () =>
    withHost(async ({ directory, config }) => {
      await makeDirectories(config({ crun: {} }));
      const log = await Deno.stat(join(directory, "log/pods"));
      assert.equal(log.mode! & 0o777, 0o700);
      for (const path of ["run", "exits", "attach", "net.d", "ns/netns", "ns/pidns"]) {
        assert.ok((await Deno.stat(join(directory, path))).isDirectory, path);
      }
    }));

  it("leaves a handler out that cannot work, and says why", () =>
    withHost(async ({ directory, config, check }) => {
      const checked = await check(config({
        crun: {},
        missing: { runtime_path: "/nowhere/runc" },
        unfound: {},
        plain: { runtime_path: join(directory, "bin/plain") },
        vm: { runtime_type: "vm" },
        annotated: { runtime_path: join(directory, "bin/runc"), allowed_annotations: ["x"] },
        monitored: { runtime_path: join(directory, "bin/runc"), monitor_cgroup: "system.slice" },
        typed: { runtime_type: "x" as "oci" },
        unmonitored: { runtime_path: join(directory, "bin/runc"), monitor_path: "/nowhere/conmon" },
      }));
      assert.deepEqual(Object.keys(checked.config.runtime.runtimes), ["crun"]);
      const warnings = checked.messages.filter(({ level }) => level === "warning")
        .map(({ text }) => text);
      assert.equal(warnings.length, 8);
      assert.match(
        warnings[0]!,
        /^Runtime handler "missing" is being ignored due to: runtime_path \/nowhere\/runc is not an executable file$/,
      );
      assert.match(warnings.join("\n"), /conmon is not an executable file; install it, or leave/);
      assert.match(warnings.join("\n"), /invalid allowed_annotation: x/);
      assert.match(warnings.join("\n"), /"vm" is not built in this release/);
    }));

  it("refuses to serve when the default runtime cannot work", () =>
    withHost(async ({ config, check }) => {
      await assert.rejects(
        check(config({ crun: { runtime_path: "/nowhere/crun" } })),
        /default runtime "crun": runtime_path \/nowhere\/crun is not an executable file/,
      );
    }));

  for (const [manager, cgroup, refused] of MONITOR_CGROUPS) {
    const what = refused ? "refuses" : "takes";
    it(`${what} monitor_cgroup ${cgroup || "nothing"} with the ${manager} cgroup manager`, () =>
      withHost(async ({ config, check }) => {
        const base = config({ crun: { monitor_cgroup: cgroup } });
        const checked = check({ ...base, runtime: { ...base.runtime, cgroup_manager: manager } });
        if (refused) await assert.rejects(checked, /monitor_cgroup .* must be "pod"/);
        else await checked;
      }));
  }

  it("refuses a storage driver that is not built", () =>
    withHost(async ({ config, check }) => {
      const base = config({ crun: {} });
      await assert.rejects(
        check({ ...base, crio: { ...base.crio, storage_driver: "zfs" } }),
        /storage_driver = "zfs" is not built/,
      );
    }));

  it("says which directory it could not make", () =>
    withHost(async ({ config }) => {
      const base = config({ crun: {} });
      await assert.rejects(
        makeDirectories({ ...base, crio: { ...base.crio, log_dir: "/proc/crid/logs" } }),
        /make directory \/proc\/crid\/logs \(log_dir\)/,
      );
    }));
});
