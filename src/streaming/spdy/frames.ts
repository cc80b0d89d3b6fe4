import { Buffer } from "node:buffer";

/** Control frame types of SPDY/3.1, section 2.6. */
export const FrameType = {
  SYN_STREAM: 1,
  SYN_REPLY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PING: 6,
  GOAWAY: 7,
  HEADERS: 8,
  WINDOW_UPDATE: 9,
} as const;

/** Flag of data frames, SYN_STREAM, SYN_REPLY and HEADERS: the sender's last on the stream. */
export const FLAG_FIN = 1;
/** Flag of SYN_STREAM: its receiver will not send. */
export const FLAG_UNIDIRECTIONAL = 2;

/** Why a stream is reset (section 2.6.3). */
export const ResetStatus = {
  PROTOCOL_ERROR: 1,
  INVALID_STREAM: 2,
  REFUSED_STREAM: 3,
  CANCEL: 5,
} as const;

/** Why a connection ends (section 2.6.6). */
export const GoAwayStatus = { OK: 0, PROTOCOL_ERROR: 1 } as const;

/** The setting that gives the first window of every stream. */
export const SETTING_INITIAL_WINDOW = 7;
/** A window unless a setting says otherwise. */
export const DEFAULT_WINDOW = 64 * 1024;
export const MAX_STREAM_ID = 0x7fffffff;

/** What a frame parser finds. A data frame may come in pieces; only the last carries its FIN. */
export type Frame =
  | {
    readonly kind: "data";
    readonly streamId: number;
    readonly fin: boolean;
    readonly data: Buffer;
  }
  | {
    readonly kind: "syn_stream";
    readonly streamId: number;
    readonly fin: boolean;
    readonly unidirectional: boolean;
    /** Compressed. */
    readonly headers: Buffer;
  }
  | {
    readonly kind: "syn_reply" | "headers";
    readonly streamId: number;
    readonly fin: boolean;
    /** Compressed. */
    readonly headers: Buffer;
  }
  | { readonly kind: "rst_stream"; readonly streamId: number; readonly status: number }
  | { readonly kind: "settings"; readonly initialWindow: number | undefined }
  | { readonly kind: "ping"; readonly id: number }
  | { readonly kind: "goaway"; readonly lastStreamId: number; readonly status: number }
  | { readonly kind: "window_update"; readonly streamId: number; readonly delta: number };

const VERSION = 3;
const HEADER = 8;

/** The head of a data frame, which its `size` bytes follow. */
export function dataHead(streamId: number, size: number, flags: number): Buffer {
  const head = Buffer.allocUnsafe(HEADER);
  head.writeUInt32BE(streamId, 0);
  head.writeUInt32BE(((flags << 24) | size) >>> 0, 4);
  return head;
}

/** A control frame whose payload is numbers of 32 bits, and a header block behind them. */
function control(
  type: number,
  flags: number,
  words: readonly number[],
  rest: Uint8Array = Buffer.alloc(0),
): Buffer {
  const size = words.length * 4 + rest.length;
  const frame = Buffer.allocUnsafe(HEADER + size);
  frame.writeUInt32BE((0x80000000 | (VERSION << 16) | type) >>> 0, 0);
  frame.writeUInt32BE(((flags << 24) | size) >>> 0, 4);
  words.forEach((word, index) => frame.writeUInt32BE(word >>> 0, HEADER + index * 4));
  frame.set(rest, HEADER + words.length * 4);
  return frame;
}

/** @param headers Compressed. */
export function synStream(streamId: number, headers: Uint8Array, flags = 0): Buffer {
  // The associated stream, then priority and slot in 16 bits.
  return control(FrameType.SYN_STREAM, flags, [streamId, 0], Buffer.concat([PRIORITY, headers]));
}

const PRIORITY = Buffer.alloc(2);

/** @param headers Compressed. */
export function synReply(streamId: number, headers: Uint8Array): Buffer {
  return control(FrameType.SYN_REPLY, 0, [streamId], headers);
}

export function rstStream(streamId: number, status: number): Buffer {
  return control(FrameType.RST_STREAM, 0, [streamId, status]);
}

export function ping(id: number): Buffer {
  return control(FrameType.PING, 0, [id]);
}

export function goAway(lastStreamId: number, status: number): Buffer {
  return control(FrameType.GOAWAY, 0, [lastStreamId, status]);
}

export function windowUpdate(streamId: number, delta: number): Buffer {
  return control(FrameType.WINDOW_UPDATE, 0, [streamId, delta]);
}
