import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { parseNetworkList, parseSinglePlugin } from "../../../src/network/configuration.ts";
import { readConfiguration } from "../../../src/network/configuration_directory.ts";

const bridge = { type: "bridge", capabilities: { ips: true, mac: false, bandwidth: "yes" } };

describe("a CNI configuration list", () => {
  it("is read with its plugins and what they declare", () => {
    const list = parseNetworkList(JSON.stringify({
      cniVersion: "0.4.0",
      name: "net",
      disableCheck: true,
      plugins: [bridge, { type: "portmap" }],
    }));
    assert.equal(list.name, "net");
    assert.equal(list.cniVersion, "0.4.0");
    assert.equal(list.disableCheck, true);
    assert.equal(list.disableGc, false);
    assert.deepEqual(list.plugins.map(({ type }) => type), ["bridge", "portmap"]);
    assert.deepEqual([...list.plugins[0]!.capabilities], ["ips"]);
  });

  it("takes the latest of the versions it offers that crid speaks", () => {
    const version = (fields: object) =>
      parseNetworkList(JSON.stringify({ name: "n", plugins: [bridge], ...fields })).cniVersion;
    assert.equal(
      version({ cniVersion: "0.3.1", cniVersions: ["0.4.0", "1.1.0", "9.0.0"] }),
      "1.1.0",
    );
    assert.equal(version({ cniVersion: "1.0.0" }), "1.0.0");
    assert.equal(version({}), "0.1.0");
    assert.throws(
      () => version({ cniVersion: "2.0.0" }),
      /CNI version 2\.0\.0 is not one of 0\.1\.0/,
    );
  });

  it("takes further plugins from the folder of its name unless it says not to", () => {
    const text = (fields: object) =>
      JSON.stringify({ cniVersion: "1.1.0", name: "net", plugins: [bridge], ...fields });
    const folder = (name: string) => [JSON.stringify({ type: `from-${name}` })];
    const list = parseNetworkList(text({}), folder);
    assert.deepEqual(list.plugins.map(({ type }) => type), ["bridge", "from-net"]);
    assert.deepEqual(
      parseNetworkList(list.json).plugins.map(({ type }) => type),
      ["bridge", "from-net"],
      "the cached text must stand on its own",
    );
    const alone = parseNetworkList(text({ loadOnlyInlinedPlugins: true }), folder);
    assert.equal(alone.plugins.length, 1);
  });

  const bad: Record<string, [string, RegExp]> = {
    "is no JSON": ["{", /not a JSON object/],
    "is a list": ["[]", /not a JSON object/],
    "is empty": [" \n", /the file is empty/],
    "has no name": ['{"plugins":[{"type":"a"}]}', /"name" is "", not a network name/],
    "has a path for a name": ['{"name":"../x","plugins":[{"type":"a"}]}', /not a network name/],
    "has no plugins": ['{"name":"n","type":"bridge"}', /no "plugins"/],
    "has a path for a plugin": ['{"name":"n","plugins":[{"type":"../sh"}]}', /not a file name/],
    "has a plugin without type": ['{"name":"n","plugins":[{}]}', /"type" is ""/],
  };
  for (const [what, [text, message]] of Object.entries(bad)) {
    it(`is refused when it ${what}`, () => {
      assert.throws(() => parseNetworkList(text), { code: "invalid_argument", message });
    });
  }

  it("is guessed when it stands in a .conf file", () => {
    assert.throws(
      () => parseSinglePlugin('{"name":"n","plugins":[]}'),
      /perhaps this is a .conflist/,
    );
  });
});

describe("a configuration directory", () => {
  it("is read in the order of its file names, and one broken file does not hide the others", () => {
    const directory = Deno.makeTempDirSync({ prefix: "crid-cni-" });
    try {
      const write = (name: string, value: unknown) =>
        Deno.writeTextFileSync(
          `${directory}/${name}`,
          typeof value === "string" ? value : JSON.stringify(value),
        );
      write("20-b.conflist", { name: "b", plugins: [bridge] });
      write("10-a.conf", { name: "a", type: "bridge" });
      write("05-broken.conf", "{");
      write("30-c.json", { name: "c", type: "bridge" });
      write("00-ignored.txt", { name: "x", type: "bridge" });
      Deno.mkdirSync(`${directory}/01-directory.conf`);
      Deno.mkdirSync(`${directory}/b`);
      write("b/10-more.conf", { type: "tuning" });
      const { networks, problems } = readConfiguration(directory);
      assert.deepEqual(networks.map(({ config }) => config.name), ["a", "b", "c"]);
      assert.deepEqual(networks[1]!.config.plugins.map(({ type }) => type), ["bridge", "tuning"]);
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, /05-broken\.conf: not a JSON object/);
    } finally {
      Deno.removeSync(directory, { recursive: true });
    }
  });

  it("says nothing when it is missing", () => {
    assert.deepEqual(readConfiguration("/nonexistent/net.d"), { networks: [], problems: [] });
  });
});
