/**
 * Fields of requests and what must not stand in them.
 *
 * @module
 */

export const HUGE = "x".repeat(1 << 20);
export const NUL = "a\0b";
export const LINES = "a\nb";

/** What is no value of a field, by what the field is. */
export const BAD = {
  name: ["", "a/b", NUL, LINES, HUGE],
  "user name": ["a/b", NUL, LINES, HUGE],
  hostname: ["a/b", "a b", NUL, LINES, HUGE],
  path: [NUL, HUGE, `/${"x/".repeat(3000)}`],
  "absolute path": ["relative", "../up", NUL, `/${HUGE}`],
  "cgroup path": [NUL, LINES, "/../up", HUGE],
  line: [NUL, LINES],
  text: [NUL],
  bytes: [new TextEncoder().encode(NUL)],
  label: [HUGE],
  enumeration: [-1, 99, 2 ** 31 - 1],
  port: [-1, 65_536],
  id: [-1n, 2n ** 32n, 2n ** 63n - 1n],
  amount: [-1n, -(2n ** 63n)],
  list: ["0-", "all", NUL, LINES, "../x", HUGE],
  "page size": ["", "big", "../2MB", NUL],
  permissions: ["x", "rwmr", NUL],
  sysctl: ["many", NUL, HUGE],
} as const;

type Fields = Readonly<Record<string, keyof typeof BAD>>;

export const RESOURCES: Fields = {
  "cpuPeriod": "amount",
  "cpuShares": "amount",
  "cpusetCpus": "list",
  "cpusetMems": "list",
  "hugepageLimits.0.pageSize": "page size",
};

const SECURITY: Fields = {
  "namespaceOptions.network": "enumeration",
  "namespaceOptions.pid": "enumeration",
  "namespaceOptions.ipc": "enumeration",
  "namespaceOptions.usernsOptions.mode": "enumeration",
  "runAsUser.value": "id",
  "runAsGroup.value": "id",
  "supplementalGroups.0": "id",
  "supplementalGroupsPolicy": "enumeration",
  "seccomp.profileType": "enumeration",
  "apparmor.profileType": "enumeration",
};

export const POD: Fields = {
  "metadata.name": "name",
  "metadata.namespace": "name",
  "metadata.uid": "name",
  "hostname": "hostname",
  "logDirectory": "absolute path",
  "dnsConfig.servers.0": "line",
  "dnsConfig.searches.0": "line",
  "dnsConfig.options.0": "line",
  "portMappings.0.protocol": "enumeration",
  "portMappings.0.containerPort": "port",
  "portMappings.0.hostPort": "port",
  "labels.key": "label",
  "linux.cgroupParent": "cgroup path",
  "linux.sysctls.kernel/shm_rmid_forced": "sysctl",
  ...below("linux.overhead", RESOURCES),
  ...below("linux.resources", RESOURCES),
  ...below("linux.securityContext", SECURITY),
};

export const CONTAINER: Fields = {
  "metadata.name": "name",
  "command.0": "text",
  "args.0": "text",
  "workingDir": "path",
  "envs.0.key": "text",
  "envs.0.value": "bytes",
  "mounts.0.containerPath": "path",
  "mounts.0.hostPath": "absolute path",
  "mounts.0.propagation": "enumeration",
  "devices.0.hostPath": "absolute path",
  "devices.0.containerPath": "path",
  "devices.0.permissions": "permissions",
  "labels.key": "label",
  "logPath": "path",
  "stopSignal": "enumeration",
  ...below("linux.resources", RESOURCES),
  ...below("linux.securityContext", SECURITY),
  "linux.securityContext.runAsUsername": "user name",
  "linux.securityContext.maskedPaths.0": "path",
  "linux.securityContext.readonlyPaths.0": "path",
  "linux.securityContext.capabilities.addCapabilities.0": "text",
};

/** Fields below a message. */
function below(message: string, fields: Fields): Fields {
  const entries = Object.entries(fields).map(([field, kind]) => [`${message}.${field}`, kind]);
  return Object.fromEntries(entries);
}

/** A request with one field changed, `linux.sysctls.kernel/x`; a number in its name is an index. */
export function change(message: unknown, field: string, value: unknown): object {
  const [name, rest] = [field.split(".", 1)[0]!, field.slice(field.indexOf(".") + 1)];
  const isLast = !field.includes(".");
  const before = message as Record<string, unknown> | unknown[] | undefined;
  const below = (inner: unknown) => isLast ? value : change(inner, rest, value);
  if (/^\d+$/.test(name)) return [below((before as unknown[] | undefined)?.[Number(name)])];
  const known = before as Record<string, unknown> | undefined;
  return { ...known, [name]: below(known?.[name]) };
}
