/**
 * Messages as text for the log, without the secrets in them: credentials, values of environment
 * variables, and whatever looks like a token or password wherever it stands.
 *
 * @module
 */

/** What stands in the place of a secret. */
export const REDACTED = "[REDACTED]";
/** CRI-O's word for bytes, which could be anything. */
export const FILTERED = "[FILTERED]";

const MAX_STRING = 2_000;
const MAX_ITEMS = 100;
const MAX_TEXT = 64_000;

/** Names of labels, annotations, arguments and variables whose values are nobody's business. */
const SECRET_NAME =
  /passw|passphrase|secret|token|credential|api[-_.]?key|private[-_.]?key|access[-_.]?key|(^|[-_./])auth$|authorization|bearer|last-applied-configuration/i;

/** What each field of this name is shown as, whatever it holds. */
const FIELDS: Readonly<Record<string, (value: unknown) => unknown>> = {
  auth: credentials,
  envs: variables,
  // Documents for people; a runtime spec has the whole environment in it.
  info: (value) => isRecord(value) ? mapValues(value, size) : REDACTED,
  credentialSpec: (value) => value === "" ? "" : REDACTED,
  // Its path is a token that opens a stream.
  url: (value) =>
    typeof value === "string" ? value.replace(/^(\w+:\/\/[^/]*).*/s, "$1/…") : REDACTED,
  cmd: commandLine,
  command: commandLine,
  args: commandLine,
};

/** A protobuf message as one line of JSON; fields that are not set are left out. */
export function describe(message: unknown): string {
  const text = JSON.stringify(shown(message)) ?? "{}";
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}… (${text.length} characters)`;
}

function shown(value: unknown): unknown {
  if (typeof value === "string") return scrub(value);
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint8Array) return FILTERED;
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map(shown);
    return value.length <= MAX_ITEMS ? items : [...items, `… ${value.length - MAX_ITEMS} more`];
  }
  if (!isRecord(value)) return value;
  const result: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(value)) {
    if (isUnset(member)) continue;
    const field = Object.hasOwn(FIELDS, name) ? FIELDS[name] : undefined;
    if (field !== undefined) result[name] = field(member);
    else if (typeof member === "string" && SECRET_NAME.test(name)) result[name] = REDACTED;
    else result[name] = shown(member);
  }
  return result;
}

/** A secret that stands inside of other text. Each pattern takes linear time, whatever the text. */
function scrub(text: string): string {
  const cut = text.length <= MAX_STRING ? text : `${text.slice(0, MAX_STRING)}…`;
  return cut
    .replace(/:\/\/[^\s/@]{1,512}@/g, `://${REDACTED}@`)
    .replace(/\b(bearer|basic)\s+[\w.~+/=-]+/gi, `$1 ${REDACTED}`)
    .replace(/\beyJ[\w-]+\.[\w.-]+/g, REDACTED)
    .replace(ASSIGNMENT, `$1${REDACTED}`);
}

/** `--db-password=x`, `TOKEN='x'`, `"client_secret": "x"`. */
const ASSIGNMENT =
  /((?:passw(?:or)?d|passphrase|secret|token|api[-_]?key|credentials?)[\w.-]{0,40}\\{0,4}["']?\s{0,4}[=:]\s{0,4}\\{0,4})("[^"]*"?|'[^']*'?|[^\s"',;&]+)/gi;

/** An AuthConfig: the address is of use to whoever reads the log, the rest is not. */
function credentials(value: unknown): unknown {
  if (!isRecord(value)) return REDACTED;
  return mapValues(value, (member, name) => name === "serverAddress" ? member : REDACTED);
}

function variables(value: unknown): unknown {
  if (!Array.isArray(value)) return REDACTED;
  return value.map((entry) => isRecord(entry) ? { key: entry.key, value: REDACTED } : REDACTED);
}

/** Arguments: `--token=x` is scrubbed as any text is, `--token x` needs a look at the neighbour. */
function commandLine(value: unknown): unknown {
  if (!Array.isArray(value)) return shown(value);
  return value.map((argument: unknown, index) => {
    const before: unknown = value[index - 1];
    const named = typeof before === "string" && /^--?[\w.-]+$/.test(before) &&
      SECRET_NAME.test(before);
    return named ? REDACTED : shown(argument);
  });
}

function size(value: unknown): string {
  return `${typeof value === "string" ? value.length : 0} characters`;
}

/** proto3 does not tell "not set" from the zero value. */
function isUnset(value: unknown): boolean {
  if (value === undefined || value === "" || value === 0 || value === 0n || value === false) {
    return true;
  }
  if (value instanceof Uint8Array || Array.isArray(value)) return value.length === 0;
  return false;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function mapValues(
  record: Readonly<Record<string, unknown>>,
  show: (value: unknown, name: string) => unknown,
): Record<string, unknown> {
  const set = Object.entries(record).filter(([, value]) => !isUnset(value));
  return Object.fromEntries(set.map(([name, value]) => [name, show(value, name)]));
}
