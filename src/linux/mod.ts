/**
 * The kernel, and the only place with FFI.
 *
 * @module
 */

export {
  DEFAULT_PATH,
  exit,
  killGroup,
  run,
  type RunOptions,
  type RunResult,
  start,
  type StartOptions,
  startThrough,
} from "./process.ts";
export {
  type KernelEntry,
  KernelFileError,
  kernelFileExists,
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  readKernelLink,
  removeKernelDirectory,
  writeKernelFile,
  writeSlowKernelFile,
} from "./kernel_files.ts";
