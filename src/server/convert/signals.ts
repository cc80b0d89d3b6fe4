import { CridError } from "../../failure/mod.ts";
import { Signal } from "../../gen/runtime/v1/api.ts";

/**
 * The name of a signal as programs write it, `SIGTERM` or `SIGRTMIN+3`; `""` when none was given.
 *
 * @throws {CridError} `invalid_argument` for a number that CRI v1 does not know.
 */
export function readSignal(signal: Signal): string {
  if (signal === Signal.RUNTIME_DEFAULT) return "";
  const name: string | undefined = Signal[signal];
  if (name === undefined || signal === Signal.UNRECOGNIZED) {
    throw new CridError("invalid_argument", `stop signal ${signal} is not known to CRI v1`);
  }
  return name.replace(/^(SIGRTM\w\w)PLUS/, "$1+").replace(/^(SIGRTM\w\w)MINUS/, "$1-");
}

/** The other way; a signal that CRI has no name for becomes RUNTIME_DEFAULT. */
export function writeSignal(name: string): Signal {
  const key = name.replace("+", "PLUS").replace("-", "MINUS");
  return NUMBERS.get(key) ?? Signal.RUNTIME_DEFAULT;
}

const NUMBERS: ReadonlyMap<string, Signal> = new Map(
  Object.entries(Signal).filter((entry): entry is [string, Signal] => typeof entry[1] === "number"),
);
