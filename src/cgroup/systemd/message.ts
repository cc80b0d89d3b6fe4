import { CridError } from "../../failure/mod.ts";
import { type DbusValue, Reader, type Variant, Writer } from "./wire.ts";

/** What a message is; D-Bus specification, "Message Format". */
export const MessageType = { call: 1, reply: 2, error: 3, signal: 4 } as const;

/** Header fields by their numbers. */
const Field = {
  path: 1,
  interface: 2,
  member: 3,
  error: 4,
  replySerial: 5,
  destination: 6,
  signature: 8,
} as const;

/** A method of an object. */
export interface Call {
  /** Left out on a connection without a bus. */
  readonly destination?: string;
  readonly path: string;
  readonly interface: string;
  readonly member: string;
  readonly signature: string;
  readonly values: readonly DbusValue[];
}

/** What came in. */
export interface Message {
  readonly type: number;
  readonly replySerial: number | undefined;
  readonly path: string;
  readonly member: string;
  /** Name of an error: `org.freedesktop.systemd1.NoSuchUnit`. */
  readonly error: string;
  readonly values: readonly DbusValue[];
}

/** Fixed part of a header, up to and with the size of its fields. */
const FIXED_HEADER = 16;
const LITTLE_ENDIAN = "l".charCodeAt(0);
const VERSION = 1;
/** D-Bus forbids longer messages. */
const MAX_MESSAGE = 128 * 1024 * 1024;

/** The bytes of a call. */
export function encodeCall(call: Call, serial: number): Uint8Array<ArrayBuffer> {
  const body = new Writer();
  body.values(call.signature, call.values);
  const text = (field: number, signature: string, value: string | undefined): DbusValue[] =>
    value === undefined || value === "" ? [] : [[field, { signature, value }]];
  const fields = [
    ...text(Field.path, "o", call.path),
    ...text(Field.interface, "s", call.interface),
    ...text(Field.member, "s", call.member),
    ...text(Field.destination, "s", call.destination),
    ...text(Field.signature, "g", call.signature),
  ];
  const message = new Writer();
  const fixed = [LITTLE_ENDIAN, MessageType.call, 0, VERSION, body.length, serial];
  message.values("yyyyuua(yv)", [...fixed, fields]);
  message.align(8);
  const head = message.bytes();
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body.bytes(), head.length);
  return bytes;
}

/**
 * Takes the first whole message off the front of `bytes`.
 *
 * @returns `undefined` while it has not come in whole.
 * @throws {CridError} `internal` for what is no little-endian D-Bus message.
 */
export function decodeMessage(
  bytes: Uint8Array,
): { readonly message: Message; readonly length: number } | undefined {
  if (bytes.length < FIXED_HEADER) return undefined;
  if (bytes[0] !== LITTLE_ENDIAN || bytes[3] !== VERSION) {
    throw new CridError("internal", "D-Bus message: neither little-endian nor of version 1");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const bodyLength = view.getUint32(4, true);
  const fieldsLength = view.getUint32(12, true);
  const headLength = FIXED_HEADER + Math.ceil(fieldsLength / 8) * 8;
  const length = headLength + bodyLength;
  if (length > MAX_MESSAGE) throw new CridError("internal", "D-Bus message: too long");
  if (bytes.length < length) return undefined;
  const head = new Reader(bytes.subarray(0, headLength)).values("yyyyuua(yv)");
  const fields = new Map((head[6] as [number, Variant][]).map(([field, { value }]) => [
    field,
    value,
  ]));
  const text = (field: number) => String(fields.get(field) ?? "");
  const replySerial = fields.get(Field.replySerial);
  const body = new Reader(bytes.subarray(headLength, length));
  const message = {
    type: head[1] as number,
    replySerial: typeof replySerial === "number" ? replySerial : undefined,
    path: text(Field.path),
    member: text(Field.member),
    error: text(Field.error),
    values: body.values(text(Field.signature)),
  };
  return { message, length };
}
