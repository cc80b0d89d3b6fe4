import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { ServiceDefinition } from "@grpc/grpc-js";
import * as api from "../../../src/gen/runtime/v1/api.ts";
import { codec, CRI, enumOf, type Field, generatedEnum, keysOf, sample } from "./sample.ts";
import { readFields, readPacked, type WireField } from "./wire.ts";

const VARINTS = ["bool", "int32", "uint32", "int64", "uint64"];

describe("the generated CRI", () => {
  it("has 170 messages, 11 enums and 41 RPCs, and no message that CRI does not have", () => {
    assert.equal(Object.keys(CRI.messages).length, 170);
    assert.equal(Object.keys(CRI.enums).length, 11);
    assert.equal(Object.values(CRI.services).flat().length, 41);
    const generated = Object.entries(api)
      .filter(([, value]) => typeof value === "object" && "encode" in value)
      .map(([name]) => name)
      .filter((name) => !name.endsWith("Entry"));
    assert.deepEqual(generated.toSorted(), Object.keys(CRI.messages).toSorted());
  });

  for (const message of Object.keys(CRI.messages)) {
    it(`writes every field of ${message} under its number and in its wire type`, () => {
      const all = sample(message);
      const wire = readFields(codec(message).encode(all).finish());
      assert.equal(Object.keys(all).length, CRI.messages[message]!.fields.length);
      checkMessage(message, all, wire);
    });

    it(`reads back what it has written of ${message}`, () => {
      const all = sample(message);
      assert.deepEqual(codec(message).decode(codec(message).encode(all).finish()), all);
    });
  }

  for (const [name, values] of Object.entries(CRI.enums)) {
    it(`has the numbers of ${name}`, () => {
      const numbers = Object.entries(generatedEnum(name))
        .filter(([key, value]) => typeof value === "number" && key !== "UNRECOGNIZED");
      assert.deepEqual(Object.fromEntries(numbers), values);
    });
  }

  for (const [name, rpcs] of Object.entries(CRI.services)) {
    it(`has the RPCs of ${name} with their messages and streams`, () => {
      const service = (api as unknown as Record<string, ServiceDefinition>)[`${name}Service`]!;
      assert.deepEqual(
        Object.values(service).map(({ path }) => path),
        rpcs.map((rpc) => `/runtime.v1.${name}/${rpc.name}`),
      );
      for (const rpc of rpcs) {
        const method = Object.values(service).find(({ path }) => path.endsWith(`/${rpc.name}`))!;
        assert.equal(method.requestStream, false);
        assert.equal(method.responseStream, rpc.stream === true, rpc.name);
        checkCodec(rpc.request, method.requestSerialize, method.requestDeserialize);
        checkCodec(rpc.response, method.responseSerialize, method.responseDeserialize);
      }
    });
  }

  it("keeps the number of an enum value that it does not know", () => {
    const bytes = new Uint8Array([0x08, 99]);
    const options = api.NamespaceOption.decode(bytes);
    assert.equal(options.network as number, 99);
    assert.deepEqual(api.NamespaceOption.encode(options).finish(), bytes);
  });

  it("skips fields that it does not know", () => {
    const unknown = [0xf8, 0x3f, 1, 0xfa, 0x3f, 2, 7, 7, 0x0a, 2, 0x69, 0x64];
    assert.deepEqual(api.StopPodSandboxRequest.decode(new Uint8Array(unknown)), {
      podSandboxId: "id",
    });
  });

  it("refuses a message that ends in the middle of a field", () => {
    assert.throws(() => api.StopPodSandboxRequest.decode(new Uint8Array([0x0a, 9, 0x69])));
  });
});

/** Both directions of one RPC's message are those of the message itself. */
function checkCodec(
  message: string,
  serialize: (value: unknown) => Buffer,
  deserialize: (bytes: Buffer) => unknown,
): void {
  const bytes = Buffer.from(codec(message).encode(sample(message)).finish());
  assert.deepEqual(serialize(sample(message)), bytes, message);
  assert.deepEqual(serialize(deserialize(bytes)), bytes, message);
}

function checkMessage(
  message: string,
  all: Readonly<Record<string, unknown>>,
  wire: readonly WireField[],
): void {
  const numbers = new Set(wire.map(({ number }) => number));
  assert.deepEqual(
    [...numbers].toSorted((a, b) => a - b),
    CRI.messages[message]!.fields.map(({ n }) => n).toSorted((a, b) => a - b),
  );
  for (const [field, key] of keysOf(message)) {
    const found = wire.filter(({ number }) => number === field.n);
    const values = field.repeated ? all[key] as unknown[] : [all[key]];
    checkField(field, values, found);
  }
}

function checkField(field: Field, values: readonly unknown[], found: readonly WireField[]): void {
  const { type } = field;
  if (type.startsWith("map<")) {
    const entries = found.map(({ value }) => {
      const parts = readFields(value as Uint8Array);
      const text = (number: number) => {
        const part = parts.find((part) => part.number === number)?.value as Uint8Array | undefined;
        return new TextDecoder().decode(part);
      };
      return [text(1), text(2)];
    });
    assert.deepEqual(Object.fromEntries(entries), values[0]);
    return;
  }
  const isVarint = VARINTS.includes(type) || enumOf(type) !== undefined;
  if (isVarint && field.repeated) {
    assert.equal(found.length, 1, "repeated numbers are packed");
    assert.equal(found[0]!.type, 2);
    assert.deepEqual(readPacked(found[0]!.value as Uint8Array), values.map(unsigned));
    return;
  }
  assert.equal(found.length, values.length);
  found.forEach((entry, index) => checkValue(type, values[index], entry));
}

function checkValue(type: string, expected: unknown, { type: wireType, value }: WireField): void {
  if (VARINTS.includes(type) || enumOf(type) !== undefined) {
    assert.equal(wireType, 0);
    assert.equal(value, unsigned(expected));
  } else if (type === "double") {
    const bytes = value as Uint8Array;
    assert.equal(wireType, 1);
    assert.equal(new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, true), expected);
  } else {
    assert.equal(wireType, 2);
    const bytes = value as Uint8Array;
    if (type === "string") assert.equal(new TextDecoder().decode(bytes), expected);
    else if (type === "bytes") assert.deepEqual(new Uint8Array(bytes), expected);
    else checkMessage(type, expected as Record<string, unknown>, readFields(bytes));
  }
}

/** Negative numbers are written as 64 bits in two's complement. */
function unsigned(value: unknown): bigint {
  return BigInt.asUintN(64, BigInt(value as number | bigint | boolean));
}
