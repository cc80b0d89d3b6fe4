import assert from "node:assert/strict";
import { describe, it } from "@std/testing/bdd";
import {
  apparmorProfile,
  defaultSeccompProfile,
  hostId,
  type LinuxSeccomp,
  maskedPaths,
  parseSeccompProfile,
  seccompFilter,
} from "../../../src/security/mod.ts";

const rulesOf = (profile: LinuxSeccomp, name: string) =>
  profile.syscalls.filter((rule) => rule.names.includes(name));

describe("the built-in seccomp profile", () => {
  it("names every system call once, unless its arguments decide", () => {
    for (const capabilities of [new Set<string>(), new Set(["CAP_SYS_ADMIN", "CAP_BPF"])]) {
      const { syscalls } = defaultSeccompProfile(capabilities, "x86_64");
      const seen = new Set<string>();
      for (const name of syscalls.filter((rule) => !rule.args).flatMap((rule) => rule.names)) {
        assert.equal(seen.has(name), false, `${name} is there twice`);
        seen.add(name);
      }
    }
  });

  it("lets system administrators make namespaces, and nobody else", () => {
    const plain = defaultSeccompProfile(new Set(), "x86_64");
    assert.deepEqual(rulesOf(plain, "unshare"), [{
      ...rulesOf(plain, "unshare")[0]!,
      action: "SCMP_ACT_ERRNO",
      errnoRet: 1,
    }]);
    assert.equal(rulesOf(plain, "clone3")[0]?.errnoRet, 38);
    assert.deepEqual(rulesOf(plain, "clone")[0]?.args, [
      { index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" },
    ]);
    // Else the answer were ENOSYS, which programs take for a kernel without namespaces.
    const refused = rulesOf(plain, "clone").slice(1);
    assert.deepEqual(refused.map(({ action, errnoRet }) => [action, errnoRet]), [
      ...Array.from(refused, () => ["SCMP_ACT_ERRNO", 1]),
    ]);
    const flags = refused.map(({ args }) => Number(args?.[0]?.value));
    assert.equal(flags.reduce((all, flag) => all | flag), 0x7e020000);
    const admin = defaultSeccompProfile(new Set(["CAP_SYS_ADMIN"]), "x86_64");
    for (const name of ["unshare", "clone", "clone3", "bpf"]) {
      assert.deepEqual(rulesOf(admin, name).map((rule) => [rule.action, rule.args]), [
        ["SCMP_ACT_ALLOW", undefined],
      ]);
    }
  });

  it("is made for both architectures", () => {
    const arm = defaultSeccompProfile(new Set(), "aarch64");
    assert.deepEqual(arm.architectures, ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]);
    assert.equal(rulesOf(arm, "arch_prctl").length, 0);
    assert.equal(rulesOf(arm, "cacheflush").length, 1);
  });
});

describe("a seccomp profile file", () => {
  const parse = (profile: unknown, capabilities: string[] = [], kernel = "6.1.0") =>
    parseSeccompProfile(typeof profile === "string" ? profile : JSON.stringify(profile), {
      capabilities: new Set(capabilities),
      machine: "x86_64",
      kernel,
    });

  it("keeps 64-bit arguments to the last digit", () => {
    const text = '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["clone"],' +
      '"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":18446744073709551615,' +
      '"valueTwo":9007199254740993,"op":"SCMP_CMP_EQ"}]}]}';
    const written = JSON.stringify(parse(text));
    assert.match(written, /"value":18446744073709551615,"valueTwo":9007199254740993/);
  });

  it("loses the rules for other capabilities, architectures and kernels", () => {
    const rule = (name: string, conditions: object) => ({
      names: [name],
      action: "SCMP_ACT_ALLOW",
      ...conditions,
    });
    const profile = {
      defaultAction: "SCMP_ACT_ERRNO",
      syscalls: [
        rule("a", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
        rule("b", { excludes: { caps: ["CAP_SYS_ADMIN"] } }),
        rule("c", { includes: { arches: ["arm64"] } }),
        rule("d", { includes: { arches: ["amd64"] } }),
        rule("e", { includes: { minKernel: "6.2" } }),
        rule("f", { includes: { minKernel: "4.8" } }),
        { name: "g", action: "SCMP_ACT_LOG" },
      ],
    };
    const names = (capabilities: string[]) =>
      parse(profile, capabilities).syscalls.flatMap((rule) => rule.names).join("");
    assert.equal(names([]), "bdfg");
    assert.equal(names(["CAP_SYS_ADMIN"]), "adfg");
  });

  it("names its architectures directly or by a map, not both", () => {
    const profile = { defaultAction: "SCMP_ACT_ALLOW" };
    assert.equal(parse(profile).architectures, undefined);
    const archMap = [
      { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86"] },
      { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
    ];
    assert.deepEqual(parse({ ...profile, archMap }).architectures, [
      "SCMP_ARCH_X86_64",
      "SCMP_ARCH_X86",
    ]);
    assert.throws(() => parse({ ...profile, archMap, architectures: ["SCMP_ARCH_X86"] }), /both/);
  });

  it("is refused when it is not one", () => {
    const rule = { names: ["x"], action: "SCMP_ACT_ALLOW" };
    const good = { defaultAction: "SCMP_ACT_ALLOW" };
    for (
      const bad of [
        "{",
        "[]",
        { defaultAction: "ALLOW" },
        { ...good, syscalls: {} },
        { ...good, syscalls: [{ ...rule, names: [] }] },
        { ...good, syscalls: [{ ...rule, names: [5] }] },
        { ...good, syscalls: [{ ...rule, action: "NO" }] },
        { ...good, syscalls: [{ ...rule, args: [{ index: 9, value: 0, op: "SCMP_CMP_EQ" }] }] },
        '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["x"],"action":"SCMP_ACT_ALLOW",' +
        '"args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]}]}',
      ]
    ) assert.throws(() => parse(bad), Error, JSON.stringify(bad));
  });

  it("is chosen by the request, the handler and the configuration", () => {
    const none = { handlerProfile: "", profile: "", privilegedProfile: "" };
    const conditions = { capabilities: new Set<string>() };
    const choose = (
      kind: "runtime_default" | "unconfined" | undefined,
      mode: "normal" | "privileged" = "normal",
      defaults = none,
    ) => seccompFilter(kind && { kind, localhostRef: "" }, mode, defaults, conditions);
    assert.equal(choose(undefined), undefined);
    assert.equal(choose("unconfined"), undefined);
    assert.equal(choose("runtime_default", "privileged"), undefined);
    assert.equal(choose("runtime_default")?.defaultErrnoRet, 38);
    assert.throws(
      () => choose("runtime_default", "normal", { ...none, handlerProfile: "/no/such" }),
      /open \/no\/such: no such file or directory/,
    );
  });
});

describe("other confinement", () => {
  it("hides the usual paths besides those that are asked for, and none when none is", () => {
    assert.deepEqual(maskedPaths([]), []);
    const masked = maskedPaths(["/proc/kcore", "/own"]);
    assert.equal(masked.filter((path) => path === "/proc/kcore").length, 1);
    assert.equal(masked.includes("/own") && masked.includes("/sys/firmware"), true);
  });

  it("runs under an AppArmor profile only where there is AppArmor and the profile is loaded", async () => {
    const directory = await Deno.makeTempDir();
    const places = { enabled: `${directory}/enabled`, profiles: `${directory}/profiles` };
    const localhost = (localhostRef: string) => ({ kind: "localhost" as const, localhostRef });
    assert.equal(await apparmorProfile(localhost("mine"), "crio-default", places), undefined);
    await Deno.writeTextFile(places.enabled, "Y\n");
    await Deno.writeTextFile(places.profiles, "crio-default (enforce)\nmy own (complain)\n");
    assert.equal(await apparmorProfile(undefined, "crio-default", places), "crio-default");
    assert.equal(await apparmorProfile(localhost("my own"), "crio-default", places), "my own");
    const prefixed = localhost("localhost/my own");
    assert.equal(await apparmorProfile(prefixed, "crio-default", places), "my own");
    await assert.rejects(apparmorProfile(localhost("mine"), "x", places), /"mine" is not loaded/);
    await assert.rejects(apparmorProfile(localhost("localhost/"), "x", places), /has no name/);
    await assert.rejects(apparmorProfile(localhost(""), "x", places), /has no name/);
    await Deno.remove(directory, { recursive: true });
  });

  it("finds the host's id of a mapped one", () => {
    const maps = [{ containerId: 0, hostId: 1000, size: 10 }];
    assert.equal(hostId(maps, 9), 1009);
    assert.equal(hostId(maps, 10), undefined);
    assert.equal(hostId([], 10), 10);
  });
});
