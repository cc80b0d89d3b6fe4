import { CridError } from "../failure/mod.ts";
import { valueAt } from "./assignment.ts";
import { cpuSet } from "./check.ts";
import type { ScalarSetting } from "./setting.ts";
import { type Config, ENTRIES, isScalar, tomlPath, type WorkloadConfig } from "./table.ts";

/**
 * Checks that the values of a configuration make sense by themselves, on any host. Runtime handlers
 * are left to {@linkcode checkHost}: one that is wrong does not keep the others from serving.
 *
 * @throws {CridError} `invalid_argument` with all that is wrong.
 */
export function validateConfig(config: Config): void {
  const problems = [...valueProblems(config), ...relationProblems(config)];
  if (problems.length > 0) {
    throw new CridError("invalid_argument", `validating configuration: ${problems.join("; ")}`);
  }
}

function* valueProblems(config: Config): Generator<string> {
  for (const { path, setting } of ENTRIES) {
    if (!isScalar(setting)) continue;
    const problem = valueProblem(path.at(-1)!, setting, valueAt(config, path));
    if (problem === undefined) continue;
    yield path[0] === "options" ? problem : `${tomlPath(path)}: ${problem}`;
  }
}

/** What is wrong with the value of one setting, or `undefined`. */
export function valueProblem(
  key: string,
  setting: ScalarSetting,
  value: unknown,
): string | undefined {
  if (setting.type === "string" && setting.choices && !setting.choices.includes(value as string)) {
    const choices = setting.choices.map((choice) => choice || '""').join(", ");
    const refusal = setting.refusal ?? `invalid ${key}`;
    return `${refusal} ${JSON.stringify(value)}: must be one of ${choices}`;
  }
  if (!("check" in setting)) return undefined;
  return (setting.check as ((value: unknown) => string | undefined) | undefined)?.(value);
}

/** Settings that do not go together. */
function* relationProblems({ api, runtime }: Config): Generator<string> {
  if (!Object.hasOwn(runtime.runtimes, runtime.default_runtime)) {
    const name = runtime.default_runtime;
    yield `default_runtime set to ${JSON.stringify(name)}, but no runtime entry table ` +
      `[crio.runtime.runtimes.${name}] was found`;
  }
  if (api.stream_enable_tls && api.stream_tls_cert === "") yield "stream TLS cert path is empty";
  if (api.stream_enable_tls && api.stream_tls_key === "") yield "stream TLS key path is empty";
  if ((runtime.uid_mappings === "") !== (runtime.gid_mappings === "")) {
    yield "uid_mappings and gid_mappings must be set together";
  }
  for (const [name, workload] of Object.entries(runtime.workloads)) {
    const problem = workloadProblem(workload);
    if (problem !== undefined) yield `workload ${JSON.stringify(name)}: ${problem}`;
  }
}

function workloadProblem(workload: WorkloadConfig): string | undefined {
  const { cpuset, cpushares, cpuquota, cpuperiod } = workload.resources;
  if (workload.activation_annotation === "") return "activation_annotation must not be empty";
  if (cpuquota !== 0 && cpuquota < cpushares) {
    return `cpuquota ${cpuquota} must not be less than cpushares ${cpushares}`;
  }
  if (cpuperiod !== 0 && cpuperiod < 1000) return `cpuperiod ${cpuperiod} must be 1000 or more`;
  return cpuSet("cpuset")(cpuset);
}
