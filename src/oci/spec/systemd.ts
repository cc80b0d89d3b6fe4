import { basename } from "@std/path";
import { kernelFileExists } from "../../linux/mod.ts";
import type { SpecMount } from "../types.ts";
import type { SpecDraft } from "./draft.ts";

/** The v1 hierarchy that systemd keeps its units in. */
const NAMED_HIERARCHY = "/sys/fs/cgroup/systemd";

/** Whether a container runs systemd, which wants to find things as on a host. */
export function runsSystemd({ input, spec }: SpecDraft): boolean {
  const [program = ""] = spec.process.args;
  return input.role !== "infra" &&
    (program.includes("/sbin/init") || basename(program) === "systemd");
}

/** Tells systemd that it is in a container (systemd, "The Container Interface"). */
export function systemdStage(draft: SpecDraft): void {
  const { env } = draft.spec.process;
  if (!runsSystemd(draft) || env.some((entry) => entry.startsWith("container="))) return;
  env.push("container=crio");
}

/** What systemd writes to and has to find empty. */
export function systemdMounts(draft: SpecDraft): SpecMount[] {
  if (!runsSystemd(draft)) return [];
  const options = ["rw", "rprivate", "noexec", "nosuid", "nodev", "tmpcopyup"];
  const tmpfs = (destination: string, ...more: string[]): SpecMount => ({
    destination,
    type: "tmpfs",
    source: "tmpfs",
    options: [...options, ...more],
  });
  const named = draft.defaults.cgroup.version === 1 && kernelFileExists(NAMED_HIERARCHY);
  return [
    tmpfs("/run", "size=65536k"),
    tmpfs("/run/lock", "size=65536k"),
    tmpfs("/tmp"),
    tmpfs("/var/log/journal"),
    ...(named
      ? [{
        destination: NAMED_HIERARCHY,
        type: "bind",
        source: NAMED_HIERARCHY,
        options: ["bind", "nodev", "noexec", "nosuid"],
      }]
      : []),
  ];
}
