/**
 * CRI v1 as Kubernetes 1.36 has it, and messages of it with every field set.
 *
 * @module
 */
import definition from "./cri_v1.json" with { type: "json" };
import * as api from "../../../src/gen/runtime/v1/api.ts";

export interface Field {
  readonly n: number;
  readonly name: string;
  /** A scalar, an enum, a message, or `map<string, string>`. */
  readonly type: string;
  readonly repeated?: boolean;
}

export interface Rpc {
  readonly name: string;
  readonly request: string;
  readonly response: string;
  readonly stream?: boolean;
}

/** The definition that everything is held against. */
export const CRI: {
  readonly package: string;
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly messages: Readonly<Record<string, { readonly fields: readonly Field[] }>>;
  readonly services: Readonly<Record<string, readonly Rpc[]>>;
} = definition;

/** A generated message, as far as tests that go over all of them know it. */
export interface Codec {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Record<string, unknown>;
}

export function codec(message: string): Codec {
  return (api as unknown as Record<string, Codec>)[message]!;
}

/** The generated enum; a nested one has its message's name in front. */
export function generatedEnum(name: string): Record<string, number> {
  return (api as unknown as Record<string, Record<string, number>>)[name.replace(".", "_")]!;
}

/** The enum that a field of this type has, whether its name is nested or not. */
export function enumOf(type: string): Readonly<Record<string, number>> | undefined {
  return Object.entries(CRI.enums).find(([name]) => name.split(".").at(-1) === type)?.[1];
}

/** The fields of a message under the names that the generated code gives them. */
export function keysOf(message: string): [Field, string][] {
  const { fields } = CRI.messages[message]!;
  const keys = Object.keys(codec(message).decode(new Uint8Array()));
  return fields.map((field) => {
    const key = keys.find((key) =>
      key.toLowerCase() === field.name.replaceAll("_", "").toLowerCase()
    );
    if (key === undefined) throw new Error(`${message}.${field.name} was not generated`);
    return [field, key];
  });
}

/** A message with every field set to something that is not its zero value. */
export function sample(message: string): Record<string, unknown> {
  return Object.fromEntries(
    keysOf(message).map(([field, key]) => {
      const one = value(field);
      return [key, field.repeated ? [one, one] : one];
    }),
  );
}

function value({ n, name, type }: Field): unknown {
  switch (type) {
    case "string":
      return `${name} ñ€😀`;
    case "bool":
      return true;
    case "int32":
      return -n;
    case "uint32":
      return 2 ** 32 - n;
    case "int64":
      return -(2n ** 63n) + BigInt(n);
    case "uint64":
      return 2n ** 64n - BigInt(n);
    case "double":
      return n + 0.125;
    case "bytes":
      return new Uint8Array([0, 255, n]);
    case "map<string, string>":
      return { [name]: "ü", "": "empty key" };
  }
  const values = enumOf(type);
  return values === undefined ? sample(type) : Math.max(...Object.values(values));
}
