/**
 * A job in a virtual node, by hand; see USAGE.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { join } from "@std/path";
import { repository } from "../../scripts/build/paths.ts";
import { vmImage } from "./image.ts";
import { jobNames, prepareJob } from "./jobs.ts";
import { runJob } from "./machine.ts";
import { suiteNamed, SUITES } from "./suites.ts";
import { critestVerdict } from "./verdict.ts";

const USAGE = `usage: ./dev vm [OPTION...] [JOB]

jobs (default smoke):
  smoke         install, start, a pod's whole life, restart, uninstall
  reboot        a reboot with pods running
  unified       what cgroup v2 and AppArmor show: limits, kills for memory, figures, profiles
  integration   integration tests to which a node makes a difference; --set PATHS='FILE...'
  critest       critest; --set FOCUS=RE, --set SKIP=RE, --set PARALLEL=N, --set RPC_TIMEOUT=180s,
                --set MANAGERS='systemd cgroupfs', --set RUNTIMES='crun runc' for each with each
  selinux       labels of processes; with --suite trixie --lsm selinux
  shell         a script of yours, --script FILE, with the functions of tests/vm/jobs/node.sh

options:
  --suite bookworm|trixie       Debian release (default bookworm)
  --manager systemd|cgroupfs    cgroup_manager (default systemd)
  --runtime crun|runc           default_runtime (default crun)
  --lsm apparmor|selinux        security module of the kernel (default apparmor)
  --minutes N                   longest time (default 30)
  --results DIR                 where the console, logs and reports go
  --crid FILE                   the built crid (default dist/crid)
  --set NAME=VALUE              a variable for the job
`;

const { values, positionals: [name = "smoke"] } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    suite: { type: "string", default: SUITES[0]!.name },
    manager: { type: "string", default: "systemd" },
    runtime: { type: "string", default: "crun" },
    lsm: { type: "string", default: "apparmor" },
    minutes: { type: "string", default: "30" },
    crid: { type: "string" },
    results: { type: "string" },
    set: { type: "string", multiple: true, default: [] },
    script: { type: "string" },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log(USAGE);
  Deno.exit(0);
}
const names = await jobNames();
if (!names.includes(name)) {
  console.error(`vm: there is no job ${name}; there are ${names.join(", ")}`);
  Deno.exit(2);
}
const directory = await Deno.makeTempDir({ prefix: "crid-vm-job-" });
try {
  Deno.exitCode = await main();
} finally {
  await Deno.remove(directory, { recursive: true });
}

async function main(): Promise<number> {
  const started = performance.now();
  const say = (line: string) => {
    const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(7);
    console.log(`${seconds} ${line}`);
  };
  const image = await vmImage(suiteNamed(values.suite), say);
  const variables = Object.fromEntries(values.set.map((pair) => {
    const at = pair.indexOf("=");
    return [pair.slice(0, at), pair.slice(at + 1)];
  }));
  await prepareJob(directory, {
    name,
    manager: values.manager === "cgroupfs" ? "cgroupfs" : "systemd",
    runtime: values.runtime === "runc" ? "runc" : "crun",
    crid: values.crid ?? join(repository, "dist/crid"),
    variables,
    ...(values.script === undefined ? {} : { script: await Deno.readTextFile(values.script) }),
  });
  say(`boot ${image.suite}: ${name} with ${values.runtime} and the ${values.manager} driver`);
  const timeoutMs = Number(values.minutes) * 60_000;
  const securityModule = values.lsm === "selinux" ? "selinux" : "apparmor";
  const result = await runJob({ image, directory, securityModule, timeoutMs, onOutput: say });
  if (values.results !== undefined) {
    await Deno.mkdir(values.results, { recursive: true });
    await Deno.writeTextFile(join(values.results, "console"), result.console);
    for (const [file, text] of result.results) {
      await Deno.writeTextFile(join(values.results, file), text);
    }
  }
  if (result.code === undefined) {
    say(
      `no end after ${values.minutes} minutes; the console ends:\n${result.console.slice(-2000)}`,
    );
  } else say(`exit code ${result.code}`);
  const reports = Array.from(result.results)
    .filter(([file]) => file.startsWith("critest-") && file.endsWith(".json"));
  let broken = 0;
  for (const [file, report] of reports) broken += await judgeCritest(file, report, variables);
  return (result.code ?? 1) || Math.min(1, broken);
}

/** critest fails for any spec; here only those count that have passed before. Returns how many. */
async function judgeCritest(
  file: string,
  report: string,
  { FOCUS, SKIP }: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { broken, unlisted, others, passed } = await critestVerdict(report, {
    focus: FOCUS,
    skip: SKIP,
  });
  for (const spec of broken) {
    console.log(`BROKEN, ${spec.state}: ${spec.name}\n    ${spec.message}`);
  }
  for (const spec of others) {
    console.log(`not expected, ${spec.state}: ${spec.name}\n    ${spec.message}`);
  }
  for (const spec of unlisted) console.log(`passes and is not listed yet: ${spec}`);
  console.log(`${file}: ${passed} specs passed, ${broken.length} that must pass did not`);
  return broken.length;
}
