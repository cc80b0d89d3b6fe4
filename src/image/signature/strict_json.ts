/** A string, or one of the characters that give JSON its shape. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\]:,]/g;

/**
 * Parses JSON in which no object has a member twice: two readers could take such a text for two different
 * things.
 *
 * @throws {SyntaxError} for what is no JSON, {Error} naming a member that occurs twice.
 */
export function parseStrict(text: string): unknown {
  const value: unknown = JSON.parse(text);
  // The text is valid from here on, so that a string before a colon is a member's name.
  const open: (Set<string> | undefined)[] = [];
  let last: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    else if (token === ":") {
      const names = open.at(-1);
      const name = JSON.parse(last ?? '""') as string;
      if (names?.has(name)) throw new Error(`the member ${JSON.stringify(name)} occurs twice`);
      names?.add(name);
    } else if (token !== ",") last = token;
  }
  return value;
}
