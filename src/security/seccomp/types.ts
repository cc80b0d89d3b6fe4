/** One comparison of a syscall's argument; numbers are raw JSON, they may need 64 bits. */
export interface SeccompArg {
  index: number;
  value: unknown;
  valueTwo?: unknown;
  op: string;
}

/** One rule. */
export interface SeccompSyscall {
  names: string[];
  action: string;
  errnoRet?: number;
  args?: SeccompArg[];
}

/** `linux.seccomp` of the OCI runtime spec. */
export interface LinuxSeccomp {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls: SeccompSyscall[];
}
