/**
 * Protobuf's wire format, read by hand: what the generated code has written is judged by something
 * that was not generated.
 *
 * @module
 */

/** One field as it stands on the wire. */
export interface WireField {
  readonly number: number;
  /** 0 varint, 1 64 bits, 2 bytes with their length, 5 32 bits. */
  readonly type: number;
  readonly value: bigint | Uint8Array;
}

/** @throws {Error} For bytes that are no protobuf message. */
export function readFields(bytes: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[at++];
      if (byte === undefined) throw new Error("the message ends in a varint");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  };
  const take = (length: number): Uint8Array => {
    const part = bytes.subarray(at, at += length);
    if (part.length !== length) throw new Error("the message ends in a field");
    return part;
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const type = tag & 7;
    const value = type === 0
      ? varint()
      : type === 1
      ? take(8)
      : type === 5
      ? take(4)
      : take(Number(varint()));
    fields.push({ number: tag >>> 3, type, value });
  }
  return fields;
}

/** The varints of a packed repeated field. */
export function readPacked(bytes: Uint8Array): bigint[] {
  const values: bigint[] = [];
  let value = 0n, shift = 0n;
  for (const byte of bytes) {
    value |= BigInt(byte & 0x7f) << shift;
    shift += 7n;
    if (byte >= 0x80) continue;
    values.push(BigInt.asUintN(64, value));
    value = shift = 0n;
  }
  return values;
}
