/** One port of the host that leads to a pod, for one family of addresses. */
export interface HostPort {
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly family: 4 | 6;
  /** Address of the host; `undefined` for all of the family. */
  readonly hostIp: string | undefined;
  readonly hostPort: number;
  readonly podIp: string;
  /** Prefix length of the pod's address: who is in it answers past the host. */
  readonly prefix: number;
  readonly containerPort: number;
}

/** The host ports of one pod. */
export interface PodHostPorts {
  readonly id: string;
  /** For people. */
  readonly name: string;
  readonly ports: readonly HostPort[];
}
