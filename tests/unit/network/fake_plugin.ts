import type { Network, NetworkOptions, NetworkPod } from "../../../src/network/mod.ts";
import { createNetwork } from "../../../src/network/mod.ts";
import { Logger } from "../../../src/observe/mod.ts";

Logger.configure({ level: "error" });

/** A network of made-up plugins (sh scripts) in directories of its own. */
export interface FakeNetwork extends Disposable {
  readonly network: Network;
  readonly root: string;
  readonly confDir: string;
  readonly results: string;
  /** One line per start of a plugin: `ADD first`. */
  calls(): string[];
  /** What a plugin got on standard input when it was last asked for `command`. */
  input(command: string, plugin: string): Record<string, unknown>;
  /** The variables it then had. */
  variables(command: string, plugin: string): string;
  /** Makes or replaces a plugin. `$1` of its body is nothing; `$CNI_COMMAND` says what is asked. */
  plugin(name: string, body: string): void;
  configure(file: string, value: unknown): void;
}

/** What a well-behaved plugin answers. */
export const ANSWER = `echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"x"}],` +
  `"ips":[{"address":"10.9.8.7/24","interface":0}]}'`;

/** Two plugins, `first` and `second`, that note every call and answer ADD. */
export async function fakeNetwork(
  options: Partial<NetworkOptions> = {},
  list: object = {},
): Promise<FakeNetwork> {
  const root = Deno.makeTempDirSync({ prefix: "crid-fake-cni-" });
  const confDir = `${root}/net.d`;
  for (const directory of ["net.d", "bin", "log"]) Deno.mkdirSync(`${root}/${directory}`);
  const configure = (file: string, value: unknown) =>
    Deno.writeTextFileSync(`${confDir}/${file}`, JSON.stringify(value));
  const plugin = (name: string, body: string) => {
    const log = `${root}/log`;
    const note = `#!/bin/sh
echo "$CNI_COMMAND ${name}" >> ${log}/calls
cat > ${log}/${name}.$CNI_COMMAND.json
env | grep ^CNI_ | sort > ${log}/${name}.$CNI_COMMAND.env
`;
    // A script that is being written cannot be run (ETXTBSY): put it there whole.
    Deno.writeTextFileSync(`${root}/bin/.${name}`, note + body + "\n", { mode: 0o755 });
    Deno.renameSync(`${root}/bin/.${name}`, `${root}/bin/${name}`);
  };
  plugin("first", `[ $CNI_COMMAND != ADD ] || ${ANSWER}`);
  plugin("second", `[ $CNI_COMMAND != ADD ] || ${ANSWER}`);
  configure("10-fake.conflist", {
    cniVersion: "1.0.0",
    name: "fake",
    plugins: [{ type: "first" }, { type: "second", capabilities: { portMappings: true } }],
    ...list,
  });
  const network = await createNetwork({
    confDir,
    pluginDirs: [`${root}/missing`, `${root}/bin`],
    defaultNetwork: "",
    cacheDir: `${root}/cache`,
    ...options,
  });
  return {
    network,
    root,
    confDir,
    results: `${root}/cache/results`,
    configure,
    plugin,
    calls() {
      try {
        return Deno.readTextFileSync(`${root}/log/calls`).trim().split("\n");
      } catch {
        return [];
      }
    },
    input: (command, name) =>
      JSON.parse(Deno.readTextFileSync(`${root}/log/${name}.${command}.json`)),
    variables: (command, name) => Deno.readTextFileSync(`${root}/log/${name}.${command}.env`),
    [Symbol.dispose]() {
      network[Symbol.dispose]();
      Deno.removeSync(root, { recursive: true });
    },
  };
}

/** A pod with a host port. */
export function fakePod(id = "pod1", more: Partial<NetworkPod> = {}): NetworkPod {
  return {
    id,
    name: "web",
    namespace: "default",
    uid: "uid-1",
    netns: "/proc/self/ns/net",
    portMappings: [{ protocol: "tcp", containerPort: 80, hostPort: 8080, hostIp: "" }],
    annotations: {},
    cgroupParent: "/kubepods/x",
    ...more,
  };
}
