/**
 * Bundles the program and its workers.
 *
 * @module
 */
import * as esbuild from "esbuild";
import { isBuiltin } from "node:module";
import { basename, join } from "@std/path";
import type { BuildInfo } from "../../src/cli/build_info.ts";
import { buildInfo } from "./build_info.ts";
import { repository } from "./paths.ts";

/** The entry and the workers it starts, relative to the repository. Each becomes `<name>.js`. */
const ENTRY_POINTS: readonly string[] = [
  "mod.ts",
  "src/isolates/cri_worker.ts",
  "src/isolates/pull_worker.ts",
  "src/isolates/unpack_worker.ts",
];

/** `require` and `__dirname` for the CommonJS packages among the dependencies. */
const BANNER =
  `import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url); const __dirname = import.meta.dirname, __filename = import.meta.filename;`;

/**
 * Bundles the program.
 *
 * @param builtBy How the runtime gets into the file, for `crid version`.
 * @returns File name and content of each bundle.
 */
export async function bundle(builtBy: string): Promise<Map<string, Uint8Array>> {
  const info = await buildInfo(builtBy);
  try {
    const bundles = await Promise.all(ENTRY_POINTS.map((path) => bundleOf(path, info)));
    return new Map(bundles.flat());
  } finally {
    await esbuild.stop();
  }
}

/**
 * The files of one isolate: its own, and one for each thing that it loads only when it is needed.
 * Isolates share none, so that none loads what another one uses.
 */
async function bundleOf(path: string, info: BuildInfo): Promise<[string, Uint8Array][]> {
  const { outputFiles } = await esbuild.build({
    absWorkingDir: repository,
    // The files lie side by side, whatever directories they come from.
    entryPoints: [{ in: path, out: basename(path, ".ts") }],
    outdir: "dist/bundle",
    chunkNames: "[name]-[hash]",
    write: false,
    bundle: true,
    splitting: true,
    platform: "node",
    format: "esm",
    target: "esnext",
    // All of it ASCII: the engine keeps text with other letters in it at two bytes for each.
    charset: "ascii",
    legalComments: "none",
    // Names stay readable in stack traces; there is no network to save.
    minifyWhitespace: true,
    minifySyntax: true,
    banner: { js: BANNER },
    define: { CRID_BUILD_INFO: JSON.stringify(info) },
    plugins: [await importMap()],
    logLevel: "silent",
  });
  return outputFiles.map((file) => {
    const name = basename(file.path);
    return [name, name === "mod.js" ? withoutLoaderPath(file.contents) : file.contents];
  });
}

/** The launcher's library path is for this process; programs that it starts have their own. */
function withoutLoaderPath(code: Uint8Array): Uint8Array {
  const prelude = `if (Deno.env.has("CRID_SELF")) Deno.env.delete("LD_LIBRARY_PATH");\n`;
  return new TextEncoder().encode(prelude + new TextDecoder().decode(code));
}

/** Marks a name that the import map has been applied to: it may map to itself. */
const RESOLVED = Symbol("resolved");

/** Parts of packages that only functions which crid never calls ask for. */
const NEVER_LOADED = ["@grpc/proto-loader"];

/** What the runtime has; an isolate that uses nothing of it does not load it. */
function external(path: string): esbuild.OnResolveResult {
  return { path, external: true, sideEffects: false };
}

/** Resolves bare names as deno.json does. */
async function importMap(): Promise<esbuild.Plugin> {
  const config = JSON.parse(await Deno.readTextFile(join(repository, "deno.json"))) as {
    imports: Record<string, string>;
  };
  return {
    name: "import-map",
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, (args) => {
        if (args.kind === "entry-point" || args.pluginData === RESOLVED) return undefined;
        if (NEVER_LOADED.includes(args.path)) return external(args.path);
        if (args.path.startsWith("node:")) return external(args.path);
        // Packages made for Node leave out the prefix, without which Deno knows no such module.
        if (isBuiltin(args.path)) return external(`node:${args.path}`);
        const target = config.imports[args.path];
        if (target === undefined) return undefined;
        // npm:@scope/name@1.2.3/sub → @scope/name/sub, found in node_modules.
        const path = target.replace(/^npm:((?:@[^/]+\/)?[^@/]+)@[^/]+/, "$1");
        return build.resolve(path, {
          resolveDir: repository,
          kind: args.kind,
          pluginData: RESOLVED,
        });
      });
    },
  };
}
