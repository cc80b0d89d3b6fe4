import { Buffer } from "node:buffer";

const BLOCK = 512;

/** What an entry may have besides name and content; also what no sane archive has. */
export interface EntryOptions {
  readonly type?: string;
  readonly link?: string;
  readonly uid?: number;
  readonly mode?: number;
  /** In place of the mode's octal text. */
  readonly modeText?: string;
  /** In place of the content's length; a negative one is written in GNU's base 256. */
  readonly size?: number;
}

/** One entry of an archive; strings are bytes, one character each. */
export function entry(name: string, content: string, options: EntryOptions = {}): Uint8Array {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, length: number) => value.toString(8).padStart(length - 1, "0");
  const type = options.type ?? (name.endsWith("/") ? "5" : "0");
  header.write(name.slice(0, 100), 0, "latin1");
  header.write(options.modeText ?? octal(options.mode ?? (type === "5" ? 0o755 : 0o644), 8), 100);
  const number = (value: number, length: number) =>
    value < 0 ? Buffer.alloc(length, 0xff).fill(value & 0xff, length - 1) : octal(value, length);
  header.set(Buffer.from(number(options.uid ?? 0, 8)), 108);
  header.write(octal(0, 8), 116);
  header.set(Buffer.from(number(options.size ?? content.length, 12)), 124);
  header.write(octal(1_000_000_000, 12), 136);
  header.write("        ", 148);
  header.write(type, 156);
  header.write(options.link ?? "", 157, "latin1");
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(octal(sum, 7) + "\0 ", 148);
  const padding = Buffer.alloc((BLOCK - content.length % BLOCK) % BLOCK);
  return Buffer.concat([header, Buffer.from(content, "latin1"), padding]);
}

/** A PAX header for the entry that follows it. */
export function pax(records: Readonly<Record<string, string>>): Uint8Array {
  const text = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    let length = rest.length;
    while (String(length).length + rest.length !== length) {
      length = String(length).length + rest.length;
    }
    return length + rest;
  });
  return entry("PaxHeaders/x", text.join(""), { type: "x" });
}

/** An archive of these entries, with its end. */
export function tarOf(...entries: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([...entries, Buffer.alloc(2 * BLOCK)]);
}
