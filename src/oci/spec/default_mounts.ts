import { hasIdMaps, hostId } from "../../security/mod.ts";
import type { NamespaceRef, SpecMount } from "../types.ts";
import { annotation, SpecAnnotation } from "./annotations.ts";
import { isPrivileged, type SpecDraft } from "./draft.ts";
import { runsSystemd, systemdMounts } from "./systemd.ts";

/** What is writable still when `read_only` makes the root read-only. */
const WRITABLE = ["/run", "/tmp", "/var/tmp"];

/** The mounts that every container has, before anybody asks for others. */
export function defaultMounts(draft: SpecDraft): SpecMount[] {
  const { input, defaults, spec } = draft;
  const own = (type: NamespaceRef["type"]) =>
    spec.linux.namespaces.some((each) => each.type === type);
  // The kernel mounts these new only for the owner of the namespace that they show.
  const mapped = hasIdMaps(input.idMaps);
  const bindHost = (type: NamespaceRef["type"]) => mapped && !own(type);
  const access = isPrivileged(draft) ? "rw" : "ro";
  const hostNetwork = input.security.namespaces.network === "node";
  return [
    bindHost("pid")
      ? bind("/proc", ["rbind", "nosuid", "noexec", "nodev"])
      : mount("/proc", "proc", ["nosuid", "noexec", "nodev"]),
    mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    mount("/dev/pts", "devpts", devptsOptions(draft)),
    bindHost("ipc")
      ? bind("/dev/mqueue", ["rbind", "nosuid", "noexec", "nodev"])
      : mount("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    mapped && hostNetwork
      ? bind("/sys", ["rbind", "nosuid", "noexec", "nodev", access])
      : mount("/sys", "sysfs", ["nosuid", "noexec", "nodev", access]),
    mount("/sys/fs/cgroup", "cgroup", [
      ...["nosuid", "noexec", "nodev", "relatime"],
      ownsCgroup(draft) ? "rw" : access,
    ]),
    ...systemdMounts(draft),
    ...(defaults.readOnly && !isPrivileged(draft) ? WRITABLE.map(scratch) : []),
    ...(hostNetwork && !asksFor(draft, "/etc/hosts") ? [hostsFile(draft)] : []),
  ];
}

/** On v2 a container may change its own cgroup and no other: that can be asked for. */
function ownsCgroup(draft: SpecDraft): boolean {
  if (draft.defaults.cgroup.version !== 2) return false;
  const { annotations } = draft.input;
  return runsSystemd(draft) || annotation(annotations, SpecAnnotation.cgroupWritable) === "true";
}

/** Group 5 is tty by convention; a user namespace may not have it. */
function devptsOptions({ input }: SpecDraft): string[] {
  const tty = hostId(input.idMaps?.gids ?? [], 5) === undefined ? [] : ["gid=5"];
  return ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", ...tty];
}

function hostsFile({ input }: SpecDraft): SpecMount {
  return bind("/etc/hosts", ["bind", input.security.readonlyRootfs ? "ro" : "rw"]);
}

function asksFor({ input }: SpecDraft, path: string): boolean {
  return input.mounts.some((each) => each.containerPath === path) ||
    input.internalMounts.some((each) => each.destination === path);
}

function scratch(path: string): SpecMount {
  return mount(path, "tmpfs", ["rw", "noexec", "nosuid", "nodev", "tmpcopyup"]);
}

function mount(destination: string, type: string, options: string[]): SpecMount {
  return { destination, type, source: type, options };
}

function bind(path: string, options: string[]): SpecMount {
  return { destination: path, type: "bind", source: path, options };
}
