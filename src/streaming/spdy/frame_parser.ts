import { Buffer } from "node:buffer";
import { SpdyError } from "./errors.ts";
import {
  FLAG_FIN,
  FLAG_UNIDIRECTIONAL,
  type Frame,
  FrameType,
  MAX_STREAM_ID,
  SETTING_INITIAL_WINDOW,
} from "./frames.ts";

/** Far more than the headers of a stream need. */
const MAX_CONTROL = 16 * 1024;
const HEADER = 8;
const VERSION = 3;

/** A data frame of which more is to come. */
interface Unfinished {
  readonly streamId: number;
  readonly fin: boolean;
  left: number;
}

/** Cuts the bytes of a connection into frames. Holds at most one control frame. */
export class FrameParser {
  #kept: Buffer = Buffer.alloc(0);
  #data: Unfinished | undefined;

  /**
   * The frames that `chunk` completes, and the pieces of data in it. Data is not copied: it is part of
   * `chunk`.
   *
   * @throws {SpdyError} For what is no SPDY/3.1.
   */
  *feed(chunk: Buffer): Generator<Frame> {
    let rest = this.#kept.length === 0 ? chunk : Buffer.concat([this.#kept, chunk]);
    this.#kept = EMPTY;
    for (;;) {
      if (this.#data !== undefined) {
        if (rest.length === 0) return;
        const piece = rest.subarray(0, this.#data.left);
        rest = rest.subarray(piece.length);
        yield this.#piece(this.#data, piece);
        continue;
      }
      const size = frameSize(rest);
      if (size === undefined || rest.length < size) {
        // A copy: the rest of the chunk need not be kept alive.
        this.#kept = Buffer.from(rest);
        return;
      }
      if (isControl(rest)) {
        const frame = parseControl(rest.subarray(0, size));
        rest = rest.subarray(size);
        if (frame !== undefined) yield frame;
        continue;
      }
      const data = startData(rest);
      rest = rest.subarray(HEADER);
      if (data.left > 0) this.#data = data;
      else yield { kind: "data", streamId: data.streamId, fin: data.fin, data: EMPTY };
    }
  }

  #piece(data: Unfinished, piece: Buffer): Frame {
    data.left -= piece.length;
    const last = data.left === 0;
    if (last) this.#data = undefined;
    return { kind: "data", streamId: data.streamId, fin: last && data.fin, data: piece };
  }
}

const EMPTY: Buffer = Buffer.alloc(0);

function isControl(bytes: Buffer): boolean {
  return (bytes[0]! & 0x80) !== 0;
}

/** How many bytes have to be there before a frame can be parsed; `undefined` without its head. */
function frameSize(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER) return undefined;
  if (!isControl(bytes)) return HEADER;
  const length = bytes.readUIntBE(5, 3);
  if (length <= MAX_CONTROL) return HEADER + length;
  throw new SpdyError(`a control frame of ${length} bytes`);
}

function startData(bytes: Buffer): Unfinished {
  const streamId = bytes.readUInt32BE(0);
  if (streamId === 0) throw new SpdyError("data for stream 0");
  return { streamId, fin: (bytes[4]! & FLAG_FIN) !== 0, left: bytes.readUIntBE(5, 3) };
}

/** A whole control frame; `undefined` for a type that does not matter here (CREDENTIAL and others). */
function parseControl(bytes: Buffer): Frame | undefined {
  const version = bytes.readUInt16BE(0) & 0x7fff;
  if (version !== VERSION) throw new SpdyError(`SPDY version ${version}`);
  const flags = bytes[4]!;
  const fin = (flags & FLAG_FIN) !== 0;
  const payload = bytes.subarray(HEADER);
  switch (bytes.readUInt16BE(2)) {
    case FrameType.SYN_STREAM:
      return {
        kind: "syn_stream",
        streamId: streamId(payload, 10),
        fin,
        unidirectional: (flags & FLAG_UNIDIRECTIONAL) !== 0,
        headers: payload.subarray(10),
      };
    case FrameType.SYN_REPLY:
      return {
        kind: "syn_reply",
        streamId: streamId(payload, 4),
        fin,
        headers: payload.subarray(4),
      };
    case FrameType.HEADERS:
      return { kind: "headers", streamId: streamId(payload, 4), fin, headers: payload.subarray(4) };
    case FrameType.RST_STREAM:
      return {
        kind: "rst_stream",
        streamId: streamId(payload, 8),
        status: payload.readUInt32BE(4),
      };
    case FrameType.SETTINGS:
      return { kind: "settings", initialWindow: initialWindow(payload) };
    case FrameType.PING:
      return { kind: "ping", id: word(payload, 4) };
    case FrameType.GOAWAY:
      return {
        kind: "goaway",
        lastStreamId: word(payload, 8) & MAX_STREAM_ID,
        status: payload.readUInt32BE(4),
      };
    case FrameType.WINDOW_UPDATE:
      return {
        kind: "window_update",
        // 0 is the whole connection.
        streamId: word(payload, 8) & MAX_STREAM_ID,
        delta: payload.readUInt32BE(4) & MAX_STREAM_ID,
      };
    default:
      return undefined;
  }
}

/** The first word of a payload that has at least `size` bytes. */
function word(payload: Buffer, size: number): number {
  if (payload.length < size) throw new SpdyError("a control frame that is too short");
  return payload.readUInt32BE(0);
}

function streamId(payload: Buffer, size: number): number {
  const id = word(payload, size) & MAX_STREAM_ID;
  if (id === 0) throw new SpdyError("a frame for stream 0");
  return id;
}

function initialWindow(payload: Buffer): number | undefined {
  const count = word(payload, 4);
  if (payload.length < 4 + count * 8) throw new SpdyError("settings that are too short");
  let window: number | undefined;
  for (let index = 0; index < count; index++) {
    const at = 4 + index * 8;
    if (payload.readUIntBE(at + 1, 3) === SETTING_INITIAL_WINDOW) {
      window = payload.readUInt32BE(at + 4);
    }
  }
  return window;
}
