import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import * as api from "../../../src/gen/runtime/v1/api.ts";
import { describe as shown } from "../../../src/server/grpc/redact.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("a message in the log", () => {
  it("shows names and images, and leaves out what is not set", () => {
    const text = shown(api.CreateContainerRequest.fromPartial({
      podSandboxId: "abc",
      config: {
        metadata: { name: "podsandbox1-redis" },
        image: { image: "quay.io/crio/redis" },
        linux: { securityContext: { runAsUser: { value: 0n } } },
      },
    }));
    assert.match(text, /podsandbox1-redis/);
    assert.match(text, /quay\.io\/crio\/redis/);
    assert.match(text, /"podSandboxId":"abc"/);
    assert.doesNotMatch(text, /workingDir|stdinOnce/);
  });

  it("has nothing of a registry's credentials but the address", () => {
    const text = shown(api.PullImageRequest.fromPartial({
      image: { image: "registry.example/app" },
      auth: {
        username: "bob-secret",
        password: "pw-secret",
        auth: "Ym9iOnNlY3JldA==",
        serverAddress: "registry.example",
        identityToken: "id-secret",
        registryToken: "reg-secret",
      },
    }));
    assert.doesNotMatch(text, /-secret|Ym9i/);
    assert.match(text, /registry\.example\/app/);
    assert.match(text, /"serverAddress":"registry\.example"/);
  });

  it("names environment variables without their values", () => {
    const text = shown(api.CreateContainerRequest.fromPartial({
      config: { envs: [{ key: "DATABASE_URL", value: bytes("postgres://u:hunter2@db") }] },
    }));
    assert.match(text, /DATABASE_URL/);
    assert.doesNotMatch(text, /hunter2|postgres|104,117/);
  });

  it("hides the values of labels and annotations that are named like secrets", () => {
    const text = shown(api.RunPodSandboxRequest.fromPartial({
      config: {
        labels: { app: "web" },
        annotations: {
          "example.com/api-token": "t0psecret",
          "kubectl.kubernetes.io/last-applied-configuration": '{"env":"hunter2"}',
          "kubernetes.io/config.source": "api",
        },
      },
    }));
    assert.doesNotMatch(text, /t0psecret|hunter2/);
    assert.match(text, /"app":"web"/);
    assert.match(text, /"kubernetes\.io\/config\.source":"api"/);
  });

  const secrets: readonly [what: string, argument: readonly string[]][] = [
    ["a password after an equals sign", ["--password=hunter2"]],
    ["a token in the next argument", ["--auth-token", "hunter2"]],
    ["an assignment in a shell script", ["sh", "-c", "export DB_PASSWORD='hunter2' && run"]],
    ["a bearer token", ["curl", "-H", "Authorization: Bearer hunter2"]],
    ["basic credentials", ["curl", "-H", "Authorization: Basic hunter2=="]],
    ["user information in a URL", ["git", "clone", "https://bob:hunter2@example.com/x"]],
    ["a JSON web token", ["run", "eyJhunter2.eyJhunter2.hunter2"]],
    ["a quoted value that does not end", ["x", '--password="hunter2']],
    ["a member of a JSON document in a string", ['"{\\"password\\": \\"hunter2\\"}"']],
    ["a member of a JSON document", ['{"client_secret": "hunter2", "a": 1}']],
  ];
  for (const [what, cmd] of secrets) {
    it(`hides ${what} in a command`, () => {
      const text = shown(api.ExecSyncRequest.fromPartial({ containerId: "c1", cmd }));
      assert.doesNotMatch(text, /hunter2/);
      assert.match(text, /"containerId":"c1"/);
    });
  }

  it("leaves the rest of a command readable", () => {
    const text = shown(api.ExecSyncRequest.fromPartial({ cmd: ["ls", "-l", "/etc/passwd"] }));
    assert.equal(text, '{"cmd":["ls","-l","/etc/passwd"]}');
  });

  it("does not show what a command has said", () => {
    const text = shown(api.ExecSyncResponse.fromPartial({
      stdout: bytes("hunter2"),
      stderr: bytes("hunter2"),
      exitCode: 3,
    }));
    assert.equal(text, '{"stdout":"[FILTERED]","stderr":"[FILTERED]","exitCode":3}');
  });

  it("does not show the documents of a verbose answer, which have environments in them", () => {
    const text = shown(api.ContainerStatusResponse.fromPartial({
      info: { info: '{"runtimeSpec":{"process":{"env":["A=hunter2"]}}}' },
    }));
    assert.doesNotMatch(text, /hunter2/);
  });

  it("does not show the token in a streaming URL", () => {
    const text = shown(api.ExecResponse.fromPartial({ url: "http://127.0.0.1:1234/exec/t0ken" }));
    assert.equal(text, '{"url":"http://127.0.0.1:1234/…"}');
  });

  it("stays short, however large the message is", () => {
    const containers = Array.from({ length: 5000 }, (_, index) => ({
      id: `${index}`,
      annotations: { blob: "x".repeat(100_000) },
    }));
    assert.ok(shown(api.ListContainersResponse.fromPartial({ containers })).length < 70_000);
  });

  for (const text of ["x", "token", "://a", "eyJ", "secret=", "bearer ", "--password "]) {
    it(`takes little time over many a "${text}"`, () => {
      const cmd = Array.from({ length: 100 }, () => text.repeat(2000));
      const start = performance.now();
      shown(api.ExecSyncRequest.fromPartial({ cmd }));
      assert.ok(performance.now() - start < 5000);
    });
  }
});
