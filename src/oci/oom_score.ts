import {
  KernelFileError,
  kernelFileExists,
  readKernelFile,
  writeKernelFile,
} from "../linux/mod.ts";
import { log } from "../observe/mod.ts";

/**
 * Sees to it that a created container has the OOM score of its spec. crun 1.8 takes 0 for no score: the
 * container would keep crid's own, which is that of a service that the kernel must not kill.
 *
 * @param wanted `undefined` leaves what the process has.
 */
export function settleOomScore(pid: number, wanted: number | undefined): void {
  const file = `/proc/${pid}/oom_score_adj`;
  try {
    if (wanted === undefined || Number(readKernelFile(file) ?? wanted) === wanted) return;
    writeKernelFile(file, String(wanted));
  } catch (error) {
    // It may have ended by now.
    if (!(error instanceof KernelFileError) || !kernelFileExists(file)) return;
    log.warn(`OOM score ${wanted} of process ${pid}: ${error.message}`);
  }
}
