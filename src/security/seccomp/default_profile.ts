import process from "node:process";
import {
  ALLOWED,
  ALLOWED_BY_ARCHITECTURE,
  BY_CAPABILITY,
  CLONE_NAMESPACE_FLAGS,
  PERSONALITIES,
  REFUSED,
} from "./default_table.ts";
import type { LinuxSeccomp, SeccompSyscall } from "./types.ts";

const EPERM = 1;
const EINVAL = 22;
const ENOSYS = 38;
const AF_NETLINK = 16;
const NETLINK_AUDIT = 9;

/** The architectures a container's programs may be of, by the machine's. */
const ARCHITECTURES: Readonly<Record<string, readonly string[]>> = {
  x86_64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  aarch64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/** The machine's name as uname(2) has it. */
export const MACHINE: string = process.arch === "arm64" ? "aarch64" : "x86_64";

/**
 * The built-in profile: what an ordinary program needs is allowed, what is dangerous answers EPERM
 * unless the container has the capability for it, and anything unknown answers ENOSYS, so that
 * programs fall back as they do on an older kernel.
 *
 * @param capabilities The container's bounding set.
 */
export function defaultSeccompProfile(
  capabilities: ReadonlySet<string>,
  machine: string = MACHINE,
): LinuxSeccomp {
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    architectures: [...ARCHITECTURES[machine] ?? []],
    syscalls: [
      allow([...ALLOWED, ...ALLOWED_BY_ARCHITECTURE[machine] ?? []]),
      refuse(REFUSED, EPERM),
      ...BY_CAPABILITY.map(({ capabilities: any, names }) =>
        any.some((name) => capabilities.has(name)) ? allow(names) : refuse(names, EPERM)
      ),
      ...PERSONALITIES.map((value) =>
        allow(["personality"], { index: 0, value, op: "SCMP_CMP_EQ" })
      ),
      ...cloneRules(capabilities),
      ...socketRules(capabilities),
    ],
  };
}

/** New namespaces are for CAP_SYS_ADMIN. clone3 hides its flags in memory: without it, ENOSYS makes libc use clone. */
function cloneRules(capabilities: ReadonlySet<string>): SeccompSyscall[] {
  if (capabilities.has("CAP_SYS_ADMIN")) return [allow(["clone", "clone3"])];
  return [
    allow(["clone"], {
      index: 0,
      value: CLONE_NAMESPACE_FLAGS.reduce((flags, flag) => flags | flag),
      valueTwo: 0,
      op: "SCMP_CMP_MASKED_EQ",
    }),
    ...CLONE_NAMESPACE_FLAGS.map((flag) =>
      refuse(["clone"], EPERM, {
        index: 0,
        value: flag,
        valueTwo: flag,
        op: "SCMP_CMP_MASKED_EQ",
      })
    ),
    refuse(["clone3"], ENOSYS),
  ];
}

/** Every socket but the kernel's audit one. */
function socketRules(capabilities: ReadonlySet<string>): SeccompSyscall[] {
  if (capabilities.has("CAP_AUDIT_WRITE")) return [allow(["socket"])];
  return [
    allow(["socket"], { index: 0, value: AF_NETLINK, op: "SCMP_CMP_NE" }),
    allow(["socket"], { index: 2, value: NETLINK_AUDIT, op: "SCMP_CMP_NE" }),
    {
      ...refuse(["socket"], EINVAL),
      args: [
        { index: 0, value: AF_NETLINK, op: "SCMP_CMP_EQ" },
        { index: 2, value: NETLINK_AUDIT, op: "SCMP_CMP_EQ" },
      ],
    },
  ];
}

/** What a call's argument must be for a rule to hold. */
interface Condition {
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number;
  readonly op: string;
}

function allow(names: readonly string[], arg?: Condition): SeccompSyscall {
  return {
    names: [...names],
    action: "SCMP_ACT_ALLOW",
    ...(arg === undefined ? {} : { args: [arg] }),
  };
}

function refuse(names: readonly string[], errnoRet: number, arg?: Condition): SeccompSyscall {
  return { ...allow(names, arg), action: "SCMP_ACT_ERRNO", errnoRet };
}
