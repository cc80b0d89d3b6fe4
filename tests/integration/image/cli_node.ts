/**
 * `crid image` on a store of its own, and Debian's podman, skopeo and buildah on the same store.
 *
 * @module
 */
import assert from "node:assert/strict";
import { join } from "@std/path";
import { mountsBelow, run, umount, UmountFlag } from "../../../src/linux/mod.ts";
import { cridCommand } from "../../harness/crid.ts";

const TIMEOUT_MS = 120_000;
const decoder = new TextDecoder();

/** What a program said. */
export interface Answer {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node that has a store and no daemon. */
export interface CliNode extends AsyncDisposable {
  readonly root: string;
  /** `[overlay@…]`, for skopeo. */
  readonly store: string;
  /** Runs `crid image …`. */
  crid(...args: readonly string[]): Promise<Answer>;
  /** As `crid`, on a terminal of this size; `stdout` is all that was shown there. */
  onTerminal(size: { columns: number; rows: number }, ...args: readonly string[]): Promise<Answer>;
  /** As `crid`; fails the test unless it succeeds, and returns what it prints. */
  ok(...args: readonly string[]): Promise<string>;
  podman(...args: readonly string[]): Promise<string>;
  buildah(...args: readonly string[]): Promise<string>;
  skopeo(...args: readonly string[]): Promise<string>;
  /** A path below the node's directory. */
  at(name: string): string;
  writePolicy(policy: unknown): Promise<void>;
}

/** Makes a node; disposing it removes everything. @param insecure Hosts that speak plain HTTP. */
export async function makeCliNode(insecure: readonly string[] = []): Promise<CliNode> {
  const root = await Deno.makeTempDir({ prefix: "crid-cli-" });
  const at = (name: string) => join(root, name);
  await Deno.writeTextFile(at("crio.conf"), "");
  await Deno.writeTextFile(
    at("registries.conf"),
    insecure.map((host) => `[[registry]]\nlocation = "${host}"\ninsecure = true\n`).join(""),
  );
  const writePolicy = (policy: unknown) =>
    Deno.writeTextFile(at("policy.json"), JSON.stringify(policy));
  await writePolicy({ default: [{ type: "insecureAcceptAnything" }] });
  const [graph, runRoot] = [at("graph"), at("run")];
  const storage = ["--root", graph, "--runroot", runRoot, "--storage-driver", "overlay"];
  const answer = async (
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>> = {},
  ): Promise<Answer> => {
    const { code, stdout, stderr } = await run(command, args, {
      timeoutMs: TIMEOUT_MS,
      env: { ...Deno.env.toObject(), ...env },
    });
    return { code, stdout: text(stdout), stderr: text(stderr) };
  };
  const checked = async (command: string, args: readonly string[]) => {
    const { code, stdout, stderr } = await answer(command, args);
    assert.equal(code, 0, `${command} ${args.join(" ")}: ${stderr}`);
    return stdout.trim();
  };
  const commandLine = (args: readonly string[]) => [
    ...cridCommand(),
    ...["--config", at("crio.conf"), "--config-dir", ""],
    ...["--root", graph, "--runroot", runRoot, "--signature-policy", at("policy.json")],
    ...["--big-files-temporary-dir", at("big")],
    "image",
    ...args,
  ];
  const env = { CONTAINER_REGISTRIES_CONF: at("registries.conf") };
  const crid = (...args: readonly string[]) => {
    const [command = "", ...rest] = commandLine(args);
    return answer(command, rest, env);
  };
  const onTerminal: CliNode["onTerminal"] = async ({ columns, rows }, ...args) => {
    const words = commandLine(args).map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const command = `stty cols ${columns} rows ${rows}; exec ${words}`;
    const script = ["--quiet", "--return", "--command", command, "/dev/null"];
    const { code, stdout, stderr } = await answer("script", script, env);
    // Deno's own, when crid is started from its source.
    return { code, stdout: stdout.replaceAll("\x1b[0G\x1b[2K\x1b[J", ""), stderr };
  };
  return {
    root,
    store: `[overlay@${graph}+${runRoot}]`,
    crid,
    onTerminal,
    at,
    writePolicy,
    async ok(...args) {
      const { code, stdout, stderr } = await crid(...args);
      assert.equal(code, 0, `crid image ${args.join(" ")}: ${stderr}`);
      return stdout.trim();
    },
    podman: (...args) =>
      checked("podman", [
        ...storage,
        ...["--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "none"],
        ...["--tmpdir", at("tmp"), ...args],
      ]),
    buildah: (...args) => checked("buildah", [...storage, ...args]),
    skopeo: (...args) => checked("skopeo", args),
    async [Symbol.asyncDispose]() {
      for (const path of mountsBelow(root).reverse()) umount(path, UmountFlag.DETACH);
      await Deno.remove(root, { recursive: true });
    },
  };
}

function text(bytes: string | Uint8Array): string {
  return typeof bytes === "string" ? bytes : decoder.decode(bytes);
}
