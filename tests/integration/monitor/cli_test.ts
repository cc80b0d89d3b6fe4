import { after, before, describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { join } from "@std/path";
import { run } from "../../../src/linux/mod.ts";
import { monitorProgram, MONITORS } from "./monitor.ts";

const text = new TextDecoder();

describe("the monitor's command line", () => {
  let dir = "";
  let program = "";
  let good: string[] = [];

  before(async () => {
    dir = await Deno.makeTempDir({ prefix: "crid-monitor-cli-" });
    program = await monitorProgram("ours");
    good = [
      "-c",
      "id",
      "-u",
      "id",
      "-r",
      "/bin/false",
      "-b",
      dir,
      "-l",
      join(dir, "log"),
      "--sync",
    ];
    good.push("--socket-dir-path", dir);
  });

  after(() => Deno.remove(dir, { recursive: true }));

  async function monitor(
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<{ code: number; out: string; err: string }> {
    const { code, stdout, stderr } = await run(program, args, {
      cwd: dir,
      env: { PATH: "/usr/bin:/bin", ...env },
    });
    return { code, out: text.decode(stdout), err: text.decode(stderr) };
  }

  it("says a version that CRI-O and podman accept", async () => {
    const { code, out } = await monitor(["--version"]);
    assert.equal(code, 0);
    assert.match(out, /^conmon version 2\.(1\.[2-9]|[2-9])[\d.]*\ncommit: \S+\n$/);
  });

  it("lists the options that callers probe for", async () => {
    const { code, out } = await monitor(["--help"]);
    assert.equal(code, 0);
    for (const option of ["--log-global-size-max", "--sync", "--full-attach", "--exit-delay"]) {
      assert.ok(out.includes(option), option);
    }
  });

  it("passes over stray words and takes values either way", async () => {
    const { code, err } = await monitor([
      ...["--api-version", "1", "stray", "--cid=id", "--cuuid", "id", "--api-version=1"],
      ...["--runtime=/bin/false", "--log-path=none", "--sync", "--bundle", dir],
      ...["--socket-dir-path", dir],
    ]);
    assert.equal(err, "");
    assert.equal(code, 255); // the runtime failed, so every word was understood
  });

  it("lets the last of a repeated option win", async () => {
    const { code } = await monitor(["-r", "/no/such", ...good]);
    assert.equal(code, 255);
  });

  for (
    const [what, args, pattern] of [
      ["an unknown option", ["--no-such"], /Unknown option --no-such/],
      ["an abbreviation", ["--cui", "x"], /Unknown option --cui/],
      ["an unknown letter", ["-x"], /Unknown option -x/],
      ["a value glued to its letter", ["-b/tmp"], /Error parsing option -b/],
      ["a missing value", ["--cid"], /Missing argument for --cid/],
      ["a number that is none", ["--timeout", "soon"], /Cannot parse integer value/],
      ["a number that is too large", ["--timeout", "99999999999"], /out of range/],
    ] as const
  ) {
    it(`refuses ${what}`, async () => {
      const { code, err } = await monitor([...good, ...args]);
      assert.equal(code, 1);
      assert.match(err, pattern);
    });
  }

  const without = (option: string) => {
    const at = good.indexOf(option);
    return [...good.slice(0, at), ...good.slice(at + 2)];
  };

  for (
    const [what, args, pattern] of [
      ["no id", () => without("-c"), /Container ID not provided/],
      ["no uuid", () => without("-u"), /Container UUID not provided/],
      ["no runtime", () => without("-r"), /Runtime path not provided/],
      ["a runtime that is missing", () => [...good, "-r", "/no/such"], /Runtime path \/no\/such/],
      ["no log", () => without("-l"), /Log driver not provided/],
      ["an empty log path", () => [...good, "-l", ""], /must not be empty/],
      ["an unknown log driver", () => [...good, "-l", "cloud:x"], /No such log driver cloud/],
      ["k8s-file without a path", () => [...good, "-l", "k8s-file"], /requires a filename/],
      ["a log that cannot be opened", () => [...good, "-l", "/no/such/log"], /Failed to open log/],
      ["a tag for a file", () => [...good, "--log-tag", "t"], /doesn't support --log-tag/],
      ["a label for a file", () => [...good, "--log-label", "A=b"], /doesn't support --log-label/],
      ...["A", "A=b=c", "=b", "a=b", "A%=b"].map((label) =>
        [
          `the label ${label} for the journal`,
          () => [...without("-c"), ...[
            "-c",
            "0123456789abc",
            "-l",
            "journald",
            "--log-label",
            label,
          ]],
          /Container label/,
        ] as const
      ),
      ["exec without a process", () => [...good, "-e"], /Exec process spec path not provided/],
      [
        "exec with restore",
        () => [...good, "-e", "--exec-process-spec", "x", "--restore", "y"],
        /Cannot use 'exec' and 'restore'/,
      ],
      ["attach without exec", () => [...good, "--exec-attach"], /only be specified with exec/],
      [
        "attach without API 1",
        () => [...good, "-e", "--exec-process-spec", "x", "--exec-attach"],
        /non-legacy exec session/,
      ],
      [
        "a negative exit delay",
        () => [...good, "--exit-delay", "-1"],
        /greater than or equal to 0/,
      ],
      ["a negative file count", () => [...good, "--log-max-files", "-1"], /non-negative/],
      [
        "rotation to no file",
        () => [...good, "--log-rotate", "--log-max-files", "0"],
        /at least 1/,
      ],
      ["the journal with a short id", () => [...good, "-l", "journald"], /longer than 12/],
      ["an unknown log level", () => [...good, "--log-level", "loud"], /No such log level/],
    ] as const
  ) {
    it(`refuses ${what}`, async () => {
      const { code, err } = await monitor(args());
      assert.equal(code, 1);
      assert.match(err, pattern);
    });
  }

  for (const kind of MONITORS) {
    it(`starts the runtime as its callers expect (${kind})`, async () => {
      const bundle = await Deno.makeTempDir({ dir });
      const runtime = join(bundle, "runtime");
      const script = `#!/bin/sh\nfor word; do echo "$word"; done > ${bundle}/words\nexit 1\n`;
      await Deno.writeTextFile(runtime, script, { mode: 0o755 });
      const words = async (...args: string[]) => {
        const all = ["-c", "id", "-u", "id", "-r", runtime, "-b", bundle, "-l", "none", "--sync"];
        const paths = ["-p", join(bundle, "pid"), "--socket-dir-path", bundle];
        await run(await monitorProgram(kind), [...all, ...paths, ...args], { cwd: bundle });
        return (await Deno.readTextFile(join(bundle, "words"))).trimEnd().split("\n");
      };
      const flags = ["--systemd-cgroup", "--no-pivot", "--no-new-keyring"];
      const lists = ["--runtime-arg", "--root=/r", "--runtime-arg", "--debug"];
      const late = ["--runtime-opt", "--preserve-fds", "--runtime-opt", "2"];
      const end = ["--preserve-fds", "2", "id"];
      const created = ["--bundle", bundle, "--pid-file", join(bundle, "pid")];
      assert.deepEqual(await words(...flags, ...lists, ...late), [
        ...["--systemd-cgroup", "--root=/r", "--debug", "create", ...created],
        ...["--no-pivot", "--no-new-keyring", ...end],
      ]);
      assert.deepEqual(await words("--restore", "/image", ...lists, ...late), [
        ...["--root=/r", "--debug", "restore", ...created, "--detach"],
        ...["--image-path", "/image", "--work-path", bundle, ...end],
      ]);
      assert.deepEqual(await words("-e", "--exec-process-spec", "/p", ...flags, ...lists), [
        ...["--root=/r", "--debug", "exec", "--pid-file", join(bundle, "pid")],
        ...["--process", "/p", "--detach", "id"],
      ]);
    });
  }

  for (const value of ["x", "", "2", "-1", "999"]) {
    it(`refuses the sync pipe \`${value}\` before it goes to the background`, async () => {
      const { code, err } = await monitor(good, { _OCI_SYNCPIPE: value });
      assert.equal(code, 1);
      assert.match(err, /_OCI_SYNCPIPE/);
    });
  }
});
