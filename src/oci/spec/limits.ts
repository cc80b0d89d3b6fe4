import { CridError } from "../../failure/mod.ts";
import {
  capabilities,
  getRlimit,
  readKernelFile,
  RLIM_INFINITY,
  type Rlimit,
  type RlimitName,
  RLIMITS,
} from "../../linux/mod.ts";
import { log } from "../../observe/mod.ts";
import type { SpecDraft } from "./draft.ts";

/** Resource limits and the OOM score; never beyond what this process may set. */
export function limitsStage({ input, defaults, spec }: SpecDraft): void {
  const rlimits = defaults.defaultUlimits.map(parseUlimit);
  if (rlimits.length > 0) {
    spec.process.rlimits = rlimits.map(({ name, limit }) => {
      const { soft, hard } = clampRlimit(name, limit);
      return { type: name, soft: jsonNumber(soft), hard: jsonNumber(hard) };
    });
  }
  const score = input.resources?.oomScoreAdj;
  if (score !== undefined) spec.process.oomScoreAdj = clampOomScore(score);
}

/** `nofile=1024:2048`; without a colon both are the same; -1 is no limit. */
export function parseUlimit(text: string): { readonly name: RlimitName; readonly limit: Rlimit } {
  const match = /^([a-z]+)=(-1|\d+)(?::(-1|\d+))?$/.exec(text);
  const name = RLIMITS.find((name) => name === `RLIMIT_${match?.[1]?.toUpperCase()}`);
  if (match === null || name === undefined) {
    throw new CridError("invalid_argument", `ulimit "${text}": not name=soft:hard`);
  }
  const value = (text: string) => text === "-1" ? RLIM_INFINITY : BigInt(text);
  const soft = value(match[2]!);
  return { name, limit: { soft, hard: match[3] === undefined ? soft : value(match[3]) } };
}

/** Raising a hard limit needs CAP_SYS_RESOURCE; a runtime that tries without it fails. */
function clampRlimit(name: RlimitName, wanted: Rlimit): Rlimit {
  const own = getRlimit(name);
  if (wanted.hard <= own.hard || capabilities("effective").has("CAP_SYS_RESOURCE")) return wanted;
  log.debug(`${name} ${wanted.hard} is above this process' own hard limit, using ${own.hard}`);
  return { soft: wanted.soft < own.hard ? wanted.soft : own.hard, hard: own.hard };
}

/**
 * JSON for a 64-bit number. Both runtimes read `RLIM_INFINITY` exactly, which a double would round
 * up to 2^64.
 */
function jsonNumber(value: bigint): number {
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  return (JSON as unknown as { rawJSON(text: string): number }).rawJSON(String(value));
}

let ownScore: number | undefined;

/** Lowering the score below one's own needs CAP_SYS_RESOURCE; raising it is free. */
export function clampOomScore(wanted: number): number {
  const inRange = Math.max(-1000, Math.min(1000, wanted));
  if (capabilities("effective").has("CAP_SYS_RESOURCE")) return inRange;
  ownScore ??= Number(readKernelFile("/proc/self/oom_score_adj") ?? 0);
  if (inRange >= ownScore) return inRange;
  log.debug(`OOM score ${wanted} is below this process' own, using ${ownScore}`);
  return ownScore;
}
