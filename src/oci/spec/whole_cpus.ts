const SHARES_PER_CPU = 1024;

/**
 * Whether the kubelet may have given a container CPUs that nobody else has: those of guaranteed pods
 * that ask for whole ones. It names the class of a pod in its cgroup.
 */
export function hasWholeCpus(cgroupsPath: string, shares: number): boolean {
  return !/burstable|besteffort/.test(cgroupsPath) && shares > 0 && shares % SHARES_PER_CPU === 0;
}
