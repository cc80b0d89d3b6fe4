import type { ImageRunConfig, LinuxResources } from "./types.ts";

/** Resources of which nothing is asked for. */
export const NO_RESOURCES: LinuxResources = {
  cpuPeriod: 0,
  cpuQuota: 0,
  cpuShares: 0,
  memoryLimit: 0,
  memorySwapLimit: 0,
  oomScoreAdj: 0,
  cpusetCpus: "",
  cpusetMems: "",
  hugepageLimits: [],
  unified: {},
};

/** An image that says nothing of how to run it. */
export const NO_IMAGE_CONFIG: ImageRunConfig = {
  user: "",
  env: [],
  entrypoint: [],
  cmd: [],
  workingDir: "",
  stopSignal: "",
  volumes: [],
  labels: {},
};
