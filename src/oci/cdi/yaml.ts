// A module of its own: a bundle's chunk of a CommonJS package has no names to import.
import { parse, type ScalarTag } from "yaml";

/** Go's YAML takes `0640` for an octal number, as YAML 1.1 did; to YAML 1.2 it is 640. */
const OCTAL: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  test: /^0[0-7]+$/,
  resolve: (text) => parseInt(text, 8),
};

/**
 * Reads a file that others read with Go's YAML.
 *
 * @throws {Error} Saying what is wrong with it.
 */
export function parseYaml(text: string): unknown {
  return parse(text, { maxAliasCount: 100, customTags: (tags) => [OCTAL, ...tags] });
}
