/**
 * D-Bus values as bytes, little-endian: the types that systemd's manager takes and gives.
 * D-Bus specification, "Marshaling (Wire Format)".
 *
 * @module
 */
import { CridError } from "../../failure/mod.ts";

/** A value that carries its type. */
export interface Variant {
  readonly signature: string;
  readonly value: DbusValue;
}

/** `y i u` are numbers, `t x` bigints, `b` a boolean, `s o g` texts; arrays and structs are arrays. */
export type DbusValue = string | number | bigint | boolean | Variant | readonly DbusValue[];

/** D-Bus forbids longer arrays; nothing that is asked of systemd comes near. */
const MAX_ARRAY = 64 * 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The first complete type of a signature: `a(sv)` of `a(sv)a(sa(sv))`. */
export function firstType(signature: string): string {
  const open = signature[0];
  if (open === "a") return `a${firstType(signature.slice(1))}`;
  if (open !== "(" && open !== "{") return signature.slice(0, 1);
  let depth = 0;
  for (let at = 0; at < signature.length; at++) {
    if ("({".includes(signature[at]!)) depth++;
    else if (")}".includes(signature[at]!) && --depth === 0) return signature.slice(0, at + 1);
  }
  throw new TypeError(`D-Bus signature ${signature}: no end of ${open}`);
}

/** The complete types of a signature, one after the other. */
export function types(signature: string): string[] {
  const found: string[] = [];
  for (let rest = signature; rest !== "";) {
    const first = firstType(rest);
    found.push(first);
    rest = rest.slice(first.length);
  }
  return found;
}

function alignment(type: string): number {
  switch (type[0]) {
    case "y":
    case "g":
    case "v":
      return 1;
    case "x":
    case "t":
    case "(":
    case "{":
      return 8;
    default:
      return 4;
  }
}

/** Collects marshalled values. */
export class Writer {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  align(to: number): void {
    this.#take((to - this.#length % to) % to);
  }

  /** Writes values of a signature's types. */
  values(signature: string, values: readonly DbusValue[]): void {
    types(signature).forEach((type, index) => this.value(type, values[index]!));
  }

  value(type: string, value: DbusValue): void {
    this.align(alignment(type));
    // Taken before the view is looked at: taking may replace it.
    let at: number;
    switch (type[0]) {
      case "y":
        at = this.#take(1);
        return this.#view.setUint8(at, value as number);
      case "b":
        at = this.#take(4);
        return this.#view.setUint32(at, value === true ? 1 : 0, true);
      case "i":
        at = this.#take(4);
        return this.#view.setInt32(at, value as number, true);
      case "u":
        at = this.#take(4);
        return this.#view.setUint32(at, value as number, true);
      case "x":
        at = this.#take(8);
        return this.#view.setBigInt64(at, value as bigint, true);
      case "t":
        at = this.#take(8);
        return this.#view.setBigUint64(at, value as bigint, true);
      case "s":
      case "o":
        return this.#text(value as string, 4);
      case "g":
        return this.#text(value as string, 1);
      case "v": {
        const variant = value as Variant;
        this.#text(variant.signature, 1);
        return this.value(variant.signature, variant.value);
      }
      case "a":
        return this.#array(type.slice(1), value as readonly DbusValue[]);
      case "(":
      case "{":
        return this.values(type.slice(1, -1), value as readonly DbusValue[]);
      default:
        throw new TypeError(`D-Bus type ${type} is not spoken here`);
    }
  }

  #text(text: string, sizeBytes: 1 | 4): void {
    const bytes = encoder.encode(text);
    const at = this.#take(sizeBytes);
    if (sizeBytes === 1) this.#view.setUint8(at, bytes.length);
    else this.#view.setUint32(at, bytes.length, true);
    // The last byte is the NUL, which every taken byte is.
    const start = this.#take(bytes.length + 1);
    this.#bytes.set(bytes, start);
  }

  #array(type: string, values: readonly DbusValue[]): void {
    const size = this.#take(4);
    // The padding before the first element does not count.
    this.align(alignment(type));
    const start = this.#length;
    for (const value of values) this.value(type, value);
    this.#view.setUint32(size, this.#length - start, true);
  }

  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }
}

/** Reads marshalled values. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  align(to: number): void {
    this.#take((to - this.#at % to) % to);
  }

  /** Reads one value of each of a signature's types. */
  values(signature: string): DbusValue[] {
    return types(signature).map((type) => this.value(type));
  }

  /** @throws {CridError} `internal` for bytes that end too early, or a type not spoken here. */
  value(type: string): DbusValue {
    this.align(alignment(type));
    switch (type[0]) {
      case "y":
        return this.#view.getUint8(this.#take(1));
      case "b":
        return this.#view.getUint32(this.#take(4), true) !== 0;
      case "i":
        return this.#view.getInt32(this.#take(4), true);
      case "u":
        return this.#view.getUint32(this.#take(4), true);
      case "x":
        return this.#view.getBigInt64(this.#take(8), true);
      case "t":
        return this.#view.getBigUint64(this.#take(8), true);
      case "s":
      case "o":
        return this.#text(this.#view.getUint32(this.#take(4), true));
      case "g":
        return this.#text(this.#view.getUint8(this.#take(1)));
      case "v": {
        const signature = this.#text(this.#view.getUint8(this.#take(1)));
        return { signature, value: this.value(signature) };
      }
      case "a":
        return this.#array(type.slice(1));
      case "(":
      case "{":
        return this.values(type.slice(1, -1));
      default:
        throw new CridError("internal", `D-Bus message: type ${type} is not spoken here`);
    }
  }

  #text(length: number): string {
    const at = this.#take(length + 1);
    return decoder.decode(this.#bytes.subarray(at, at + length));
  }

  #array(type: string): DbusValue[] {
    const size = this.#view.getUint32(this.#take(4), true);
    if (size > MAX_ARRAY) throw new CridError("internal", "D-Bus message: array too long");
    this.align(alignment(type));
    const end = this.#at + size;
    const values: DbusValue[] = [];
    while (this.#at < end) values.push(this.value(type));
    return values;
  }

  #take(count: number): number {
    const at = this.#at;
    if (at + count > this.#bytes.length) {
      throw new CridError("internal", "D-Bus message: it ends too early");
    }
    this.#at += count;
    return at;
  }
}
