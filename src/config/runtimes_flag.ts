import type { Assignment } from "./assignment.ts";
import { parseBytes } from "./bytes.ts";
import { defaultsOf, type RuntimeHandlerConfig } from "./table.ts";
import { RUNTIME_HANDLER } from "./table/runtime_handler.ts";
import { splitList } from "./text_value.ts";

/**
 * Reads `--runtimes`: comma-separated entries of the form
 * `name:path:root[:type[:privileged_without_host_devices[:config_path[:container_min_memory]]]]`.
 * Each replaces the whole handler of its name.
 *
 * @throws {Error} `invalid format for --runtimes: "…"`, or for an amount of memory that is none.
 */
export function parseRuntimes(texts: readonly string[]): readonly Assignment[] {
  return texts.flatMap(splitList).map((text) => {
    const [name, ...fields] = text.split(":");
    if (fields.length < 2 || fields.length > 6 || name === "") {
      throw new Error(`invalid format for --runtimes: ${JSON.stringify(text)}`);
    }
    return { path: ["runtime", "runtimes", name!], value: handlerOf(fields) };
  });
}

function handlerOf(fields: readonly string[]): RuntimeHandlerConfig {
  const [path, root, type = "", privileged = "", configPath = "", minMemory = ""] = fields;
  if (minMemory !== "") parseBytes(minMemory);
  return {
    ...defaultsOf(RUNTIME_HANDLER),
    runtime_path: path!,
    runtime_root: root!,
    // Checked with the rest of the configuration, like a type that comes from a file.
    runtime_type: type as RuntimeHandlerConfig["runtime_type"],
    // Only the literal counts, as in CRI-O.
    privileged_without_host_devices: privileged === "true",
    runtime_config_path: configPath,
    container_min_memory: minMemory,
  };
}
