import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { isCode } from "../../../src/failure/mod.ts";
import { answer, appDocuments, client, serve } from "./registry_double.ts";

const ACCEPT = `{"default":[{"type":"insecureAcceptAnything"}]}`;

describe("configuration of registries that changes between two pulls", () => {
  it("counts at once: locations, blocks and mirrors of registries.conf", async () => {
    await using registry = await serve(answer(appDocuments().documents));
    await using mirror = await serve(answer(appDocuments().documents));
    await using peer = await client(registry.host);
    const { options: { registries: { conf } }, resolve } = peer;
    const base = `[[registry]]\nlocation = "${registry.host}"\ninsecure = true\n`;
    await resolve(`${registry.host}/app`);
    await Deno.writeTextFile(conf, `${base}blocked = true\n`);
    await assert.rejects(resolve(`${registry.host}/app`), /is blocked in/);
    await Deno.writeTextFile(
      conf,
      `${base}[[registry.mirror]]\nlocation = "${mirror.host}"\ninsecure = true\n`,
    );
    await resolve(`${registry.host}/app`);
    assert.ok(mirror.requests.length > 0);
    await Deno.writeTextFile(conf, "[[registry");
    await assert.rejects(resolve(`${registry.host}/app`), new RegExp(conf));
    await Deno.writeTextFile(conf, base);
    await resolve(`${registry.host}/app`);
  });

  it("counts at once: the policy, and that of a namespace", async () => {
    await using registry = await serve(answer(appDocuments().documents));
    await using peer = await client(registry.host);
    const { options: { policyFile, namespacePolicies }, resolve } = peer;
    const pull = (namespace = "") =>
      resolve(`${registry.host}/app`, undefined, undefined, namespace);
    await pull();
    await Deno.writeTextFile(policyFile, `{"default":[{"type":"reject"}]}`);
    await assert.rejects(pull(), /SignatureValidationFailed: .*rejected by policy/);
    await Deno.writeTextFile(`${namespacePolicies}/team.json`, ACCEPT);
    await pull("team");
    await assert.rejects(pull("other"), /rejected by policy/);
    await Deno.remove(`${namespacePolicies}/team.json`);
    await assert.rejects(pull("team"), /rejected by policy/);
    await Deno.writeTextFile(policyFile, ACCEPT);
    await pull();
  });

  it("counts at once: credentials", async () => {
    const { documents } = appDocuments();
    const others = answer(documents);
    await using registry = await serve((request, response) => {
      if (request.headers.authorization === `Basic ${btoa("me:secret")}`) {
        return others(request, response);
      }
      response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
    });
    await using peer = await client(registry.host);
    const file = peer.options.authFiles[1]!;
    const pull = () => peer.resolve(`${registry.host}/app`);
    await assert.rejects(pull(), (error) => isCode(error, "unauthenticated"));
    const write = (password: string) =>
      Deno.writeTextFile(
        file,
        JSON.stringify({ auths: { [registry.host]: { auth: btoa(`me:${password}`) } } }),
      );
    await write("secret");
    await pull();
    await write("changed");
    await assert.rejects(pull(), (error) => isCode(error, "unauthenticated"));
  });
});
