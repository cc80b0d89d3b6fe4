/**
 * Puts a program with its C library, and the helpers, behind our static launcher.
 *
 * @module
 */
import { basename, join } from "@std/path";
import { buildNative, HELPERS, MONITOR, type NativeTarget } from "./native.ts";
import { nulTerminated, type PayloadEntry, writePayload } from "./payload.ts";
import { findRuntime } from "./runtime.ts";

/** The head of the executable. */
export const LAUNCHER: NativeTarget = {
  name: "launcher",
  sources: ["launcher", "base"],
  programs: [],
  links: [],
};

/** What goes into one executable. */
export interface LauncherInput {
  readonly out: string;
  /** A dynamic glibc program. */
  readonly program: string;
  /** Put before the user's arguments; `%/` is the directory of the unpacked files. */
  readonly arguments: readonly string[];
  /** `NAME=VALUE`, over those of the caller; `%/` as above. */
  readonly variables: readonly string[];
  /** Further files to unpack, by their path in that directory. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** Writes the executable to `input.out`. */
export async function buildLauncher(input: LauncherInput): Promise<void> {
  const launcher = await buildNative(LAUNCHER);
  const runtime = await findRuntime(input.program);
  const entries: PayloadEntry[] = [
    { kind: "arguments", name: "arguments", content: nulTerminated(input.arguments) },
    {
      kind: "variables",
      name: "variables",
      content: nulTerminated([
        "LD_LIBRARY_PATH=%/lib",
        "CRID_NATIVE_DIR=%/native",
        ...input.variables,
      ]),
    },
    { kind: "loader", name: "loader", content: await Deno.readFile(runtime.loader) },
  ];
  for (const library of runtime.libraries) {
    const content = await Deno.readFile(library);
    entries.push({ kind: "file", name: `lib/${basename(library)}`, content });
  }
  for (const [name, content] of input.files) entries.push({ kind: "file", name, content });
  for (const target of [HELPERS, MONITOR]) entries.push(...await nativeEntries(target));
  // Last: a compiled program looks for its data at the end of the file.
  entries.push({ kind: "program", name: "program", content: await Deno.readFile(input.program) });
  await writePayload(input.out, await Deno.readFile(launcher), entries);
}

async function nativeEntries(target: NativeTarget): Promise<PayloadEntry[]> {
  const content = await Deno.readFile(await buildNative(target));
  return [
    { kind: "file", name: `native/${target.name}`, content, mode: 0o755 },
    ...target.links.map((link): PayloadEntry => ({
      kind: "link",
      name: join("native", link),
      content: new TextEncoder().encode(target.name),
    })),
  ];
}
