import { afterEach, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import process from "node:process";
import { run } from "../../../src/linux/mod.ts";
import {
  apparmorEnabled,
  apparmorProfile,
  DEFAULT_APPARMOR_PROFILE,
  defaultApparmorText,
  loadedProfiles,
} from "../../../src/security/mod.ts";

// Where the kernel has none: ./dev vm integration.
describe("AppArmor in the kernel", { ignore: !apparmorEnabled() }, () => {
  const mine = `crid-test-${process.pid}`;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

  async function parser(action: "--replace" | "--remove", profile: string): Promise<void> {
    const { code, stderr } = await run("apparmor_parser", [action, "--skip-cache"], {
      stdin: profile,
    });
    assert.equal(code, 0, text(stderr));
  }

  /** What a shell under `profile` prints, its exit code after it. */
  async function confined(profile: string, script: string): Promise<string> {
    const go = `echo exec ${profile} > /proc/self/attr/apparmor/exec && exec sh -c '${script}'`;
    const { code, stdout, stderr } = await run("sh", ["-c", go]);
    return `${text(stdout)}${text(stderr)}${code}`;
  }

  afterEach(async () => {
    if (loadedProfiles().has(mine)) await parser("--remove", `profile ${mine} { file, }`);
  });

  // Containers of this host may run under it.
  const used = loadedProfiles().has(DEFAULT_APPARMOR_PROFILE);

  it(
    "has the default profile when it is wanted, also after it was unloaded",
    { ignore: used },
    async () => {
      for (const _ of [1, 2]) {
        const request = { kind: "runtime_default", localhostRef: "" } as const;
        assert.equal(
          await apparmorProfile(request, DEFAULT_APPARMOR_PROFILE),
          DEFAULT_APPARMOR_PROFILE,
        );
        assert.ok(loadedProfiles().has(DEFAULT_APPARMOR_PROFILE));
        await parser("--remove", `profile ${DEFAULT_APPARMOR_PROFILE} { file, }`);
        assert.ok(!loadedProfiles().has(DEFAULT_APPARMOR_PROFILE));
      }
    },
  );

  it("lets the default profile do what programs do", async () => {
    await parser("--replace", defaultApparmorText(mine));
    const script = "cat /proc/self/attr/apparmor/current; echo x >/tmp/$$ && rm /tmp/$$; " +
      "sleep 60 & kill $!; wait; cat /proc/sys/kernel/ostype && echo 0 >/proc/self/oom_score_adj";
    const said = await confined(mine, script);
    assert.match(said, new RegExp(`^${mine} \\(enforce\\)$`, "m"));
    assert.match(said, /^Linux\n0$/m);
  });

  it("keeps the default profile from mounts, the kernel's memory and its switches", async () => {
    await parser("--replace", defaultApparmorText(mine));
    const denied = [
      // util-linux says something else of it, depending on its version.
      "busybox mount -t tmpfs none /mnt",
      "head -c 1 /proc/kcore",
      "echo 1 >/proc/sys/vm/drop_caches",
      // Harmless where the profile does not hold: help, and the value that is there.
      "echo h >/proc/sysrq-trigger",
      "value=$(cat /proc/sys/kernel/sysrq); echo $value >/proc/sys/kernel/sysrq",
      "echo x >/sys/class/net/lo/mtu",
    ];
    for (const command of denied) {
      const said = await confined(mine, command);
      assert.match(said, /permission denied|cannot mount|Permission denied/, `${command}: ${said}`);
      assert.doesNotMatch(said, /\n?0$/, command);
    }
  });

  it("takes a profile of the node's by its name, and none that is not loaded", async () => {
    const request = { kind: "localhost", localhostRef: mine } as const;
    await assert.rejects(apparmorProfile(request, DEFAULT_APPARMOR_PROFILE), {
      code: "invalid_argument",
      message: `AppArmor profile "${mine}" is not loaded; load it with apparmor_parser`,
    });
    await parser("--replace", `profile ${mine} flags=(complain) { file, }`);
    assert.equal(await apparmorProfile(request, DEFAULT_APPARMOR_PROFILE), mine);
  });

  it("needs no profile for a container that shall go unconfined", async () => {
    const request = { kind: "unconfined", localhostRef: "" } as const;
    assert.equal(await apparmorProfile(request, DEFAULT_APPARMOR_PROFILE), "unconfined");
  });
});
