import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { cridCommand } from "../../harness/mod.ts";

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs crid with no environment but what Deno needs, and no configuration unless one is given. */
async function crid(args: readonly string[], env: Record<string, string> = {}): Promise<Result> {
  const [program, ...before] = cridCommand();
  const kept = ["HOME", "DENO_DIR", "XDG_CACHE_HOME", "PATH"].flatMap((name) => {
    const value = Deno.env.get(name);
    return value === undefined ? [] : [[name, value]];
  });
  const { code, stdout, stderr } = await new Deno.Command(program!, {
    args: [...before, ...args],
    clearEnv: true,
    env: { ...Object.fromEntries(kept), ...env },
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

const NONE = ["-c", "", "-d", ""];

describe("crid config", () => {
  it("prints only comments and table headers when nothing is configured", async () => {
    const { code, stdout } = await crid([...NONE, "config"]);
    assert.equal(code, 0);
    const lines = stdout.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    assert.deepEqual(lines.filter((line) => !/^\[crio.*\]$/.test(line)), []);
    assert.ok(lines.length > 5);
  });

  it("prints what files, variables and flags have changed", async () => {
    const directory = await Deno.makeTempDir();
    try {
      await Deno.writeTextFile(join(directory, "crio.conf"), '[crio]\nlog_dir = "/l"\n');
      const { code, stdout } = await crid(
        [
          "--config",
          join(directory, "crio.conf"),
          "-d=",
          "--root=/r",
          "--pids-limit",
          "5",
          "config",
        ],
        { CONTAINER_PAUSE_COMMAND: "/p" },
      );
      assert.equal(code, 0);
      const set = stdout.split("\n").filter((line) => /^[a-z_]+ = /.test(line));
      assert.deepEqual(set, [
        'root = "/r"',
        'log_dir = "/l"',
        "pids_limit = 5",
        'pause_command = "/p"',
      ]);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });

  it("takes the store's place from storage.conf, and prints it as the default", async () => {
    const storage = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(
        storage,
        '[storage]\ngraphroot = "/s/root"\nrunroot = "/s/run"\ndriver = "overlay"\n' +
          '[storage.options.overlay]\nmountopt = "nodev"\n',
      );
      const { stdout } = await crid([...NONE, "config"], { CONTAINERS_STORAGE_CONF: storage });
      assert.match(stdout, /^# root = "\/s\/root"$/m);
      assert.match(stdout, /^# \t"overlay\.mountopt=nodev",$/m);
      const bad = await crid([...NONE, "config"], { CONTAINERS_STORAGE_CONF: "/etc/passwd" });
      assert.equal(bad.code, 1);
      assert.match(bad.stderr, /level=fatal msg="read \/etc\/passwd: /);
    } finally {
      await Deno.remove(storage);
    }
  });

  it("--default prints the defaults, whatever is configured, so that they can be loaded", async () => {
    const file = await Deno.makeTempFile();
    try {
      const printed = await crid(["-c", "", "-d", "", "--root=/r", "config", "--default"]);
      assert.match(printed.stdout, /^root = "\/(?!r").*"$/m);
      await Deno.writeTextFile(file, printed.stdout);
      const again = await crid(["-c", file, "-d", "", "config"]);
      assert.equal(again.code, 0);
      assert.doesNotMatch(again.stdout, /^[a-z_]+ = /m);
    } finally {
      await Deno.remove(file);
    }
  });

  it("logs an unknown key and goes on", async () => {
    const file = await Deno.makeTempFile();
    try {
      await Deno.writeTextFile(file, "[crio]\ncolour = 1\n");
      const { code, stderr } = await crid(["-c", file, "-d", "", "config"]);
      assert.equal(code, 0);
      assert.match(stderr, /level=warning msg="Ignoring unknown configuration key" .*crio\.colour/);
      assert.ok(stderr.includes(file));
    } finally {
      await Deno.remove(file);
    }
  });

  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["a level that is none", ["-l", "wrong-level"], /not a valid logrus Level: \\"wrong-level\\"/],
    ["a log format that is none", ["--log-format=xml"], /unknown log-format \\"xml\\"/],
    ["a log size that is too small", ["--log-size-max", "3"], /should be negative or >= 8192/],
    ["an unknown ulimit", ["--default-ulimits", "x=1:2"], /invalid ulimit type: x/],
    ["a missing file", ["-c", "/nowhere"], /\/nowhere: no such file/],
    ["a broken bool", ["--selinux=maybe"], /invalid boolean value \\"maybe\\" for -selinux/],
  ];
  for (const [what, args, expected] of refused) {
    it(`ends with 1 and a fatal line for ${what}`, async () => {
      const { code, stderr } = await crid([...NONE, ...args, "config"]);
      assert.equal(code, 1);
      const last = stderr.trim().split("\n").at(-1)!;
      assert.match(last, /^time="[^"]+" level=fatal msg="/);
      assert.match(last, expected);
    });
  }
});

describe("crid version", () => {
  it("has every field of CRI-O's, none of them empty", async () => {
    const { code, stdout } = await crid(["version", "-j"]);
    assert.equal(code, 0);
    const fields = JSON.parse(stdout);
    const names =
      "version gitCommit gitCommitDate gitTreeState buildDate goVersion compiler platform linkmode " +
      "buildTags ldFlags seccompEnabled appArmorEnabled";
    for (const name of names.split(" ")) {
      assert.ok(name in fields && fields[name] !== "", name);
    }
    const { stdout: text } = await crid(["version"]);
    for (const label of ["Version", "GoVersion", "Compiler", "BuildTags", "LDFlags"]) {
      assert.match(text, new RegExp(`^${label}:`, "m"));
    }
  });

  it("is what --version and -v print too, and needs no configuration", async () => {
    const { stdout } = await crid(["version"]);
    for (const flag of ["--version", "-v"]) {
      assert.equal((await crid([flag], { CONTAINER_CONFIG: "/nowhere" })).stdout, stdout);
    }
  });
});

describe("crid's command line", () => {
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [["--colour"], "flag provided but not defined: -colour"],
    [["--metrics-port", "foo"], 'invalid value "foo" for flag -metrics-port: parse error'],
    [["--metrics-port", "18446744073709551616"], "value out of range"],
    [["badoption"], 'command "badoption" not supported'],
    [["status", "badoption"], 'command "badoption" not supported'],
    [["config", "--colour"], "flag provided but not defined: -colour"],
    [["status", "containers"], "the argument --id cannot be empty"],
    [["help", "nothing"], 'no help topic for "nothing"'],
    [["completion", "tcsh"], "bash, fish or zsh"],
  ];
  for (const [args, message] of wrong) {
    it(`shows the usage and ends with 1 for: ${args.join(" ")}`, async () => {
      const { code, stdout, stderr } = await crid(args);
      assert.equal(code, 1);
      assert.match(stdout, /^Incorrect Usage: /);
      assert.match(stdout, /\nUsage:\n {2}crid/);
      assert.ok(stdout.includes(message));
      assert.match(stderr, /level=fatal/);
    });
  }

  it("helps with every command and lists every flag", async () => {
    const { code, stdout } = await crid(["--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /KUBENSMNT/);
    for (const [, name] of stdout.matchAll(/^ {2}([a-z]+)[ ,].* {2}/gm)) {
      if (name === "crid") continue;
      const below = await crid([name!, "--help"]);
      assert.equal(below.code, 0, name!);
      assert.match(below.stdout, new RegExp(`^crid ${name}: `));
    }
    const { stdout: flags } = await crid(["help", "flags"]);
    assert.match(flags, /--nri-validator-required-plugins value/);
    assert.doesNotMatch(flags, /--namespaced-auth-dir/);
    const wide = [stdout, flags].flatMap((text) => text.split("\n")).filter((line) =>
      line.length > 100
    );
    assert.deepEqual(wide, []);
  });

  it("prints completions that their shells accept", async () => {
    const bash = await crid(["completion"]);
    const file = await Deno.makeTempFile();
    try {
      const test = 'COMP_WORDS=(crid status ""); COMP_CWORD=2; _crid; echo "${COMPREPLY[@]}"';
      await Deno.writeTextFile(file, `${bash.stdout}\n${test}\n`);
      const { code, stdout } = await new Deno.Command("bash", { args: [file] }).output();
      assert.equal(code, 0);
      assert.match(new TextDecoder().decode(stdout), /config containers info goroutines heap/);
    } finally {
      await Deno.remove(file);
    }
    assert.match((await crid(["complete", "fish"])).stdout, /^complete -c crid .* -l listen /m);
    assert.match((await crid(["complete", "zsh"])).stdout, /^#compdef crid\n/);
  });

  it("prints a manual page that troff reads without complaint, and one in Markdown", async () => {
    const page = await crid(["man"]);
    assert.match(page.stdout, /^\.TH CRID 8/);
    assert.doesNotMatch(page.stdout, /^'/m);
    assert.match((await crid(["md"])).stdout, /^# crid\n/);
  });

  it("does nothing for a containerd shim that publishes", async () => {
    const args = ["--address", "/x", "publish", "--topic", "t", "--namespace", "n"];
    assert.equal((await crid(args)).code, 0);
  });

  it("writes a fatal line to the log file and to standard error", async () => {
    const file = await Deno.makeTempFile();
    try {
      const { stderr } = await crid([
        ...NONE,
        "--log",
        file,
        "--log-format=json",
        "--log-size-max=1",
        "config",
      ]);
      for (const text of [stderr, await Deno.readTextFile(file)]) {
        assert.equal(JSON.parse(text.trim().split("\n").at(-1)!).level, "fatal");
      }
    } finally {
      await Deno.remove(file);
    }
  });

  it("ends quietly when the reader of its output has gone", async () => {
    const [program, ...args] = cridCommand();
    const quoted = [program, ...args, "help", "flags"].map((word) => `'${word}'`).join(" ");
    const { stderr } = await new Deno.Command("bash", {
      args: ["-c", `${quoted} | true; echo "\${PIPESTATUS[0]}" >&2`],
    }).output();
    assert.equal(new TextDecoder().decode(stderr).trim(), "0");
  });

  it("says when nobody serves", async () => {
    const { code, stderr } = await crid(["status", "--socket", "/nowhere/crio.sock", "info"]);
    assert.equal(code, 1);
    assert.match(stderr, /no such socket; is crid running\?/);
  });
});
