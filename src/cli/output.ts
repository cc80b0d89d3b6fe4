const encoder = new TextEncoder();

/** Writes to standard output. A reader that has gone away wants no more, which is no failure. */
export function print(output: string | Uint8Array): void {
  let rest = typeof output === "string" ? encoder.encode(output) : output;
  try {
    while (rest.length > 0) rest = rest.subarray(Deno.stdout.writeSync(rest));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}
