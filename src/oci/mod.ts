/**
 * Containers as an OCI runtime knows them: their spec, their monitor, their life, commands in them.
 *
 * @module
 */

export type * from "./types.ts";
export { NO_IMAGE_CONFIG, NO_RESOURCES } from "./empty.ts";
export { buildSpec } from "./spec/build.ts";
export { ociResources } from "./spec/resources.ts";
export { type HandlerOptions, loadHandlers } from "./handlers.ts";
export { createContainer } from "./monitor.ts";
export {
  containerState,
  deleteContainer,
  listContainers,
  pauseContainer,
  resumeContainer,
  startContainer,
  updateContainer,
} from "./runtime.ts";
export { withSharedCpus } from "./spec/shared_cpus.ts";
export { attach } from "./attach.ts";
export { type Blockio, loadBlockio } from "./blockio/blockio.ts";
export type { CommandStreams, TerminalSize, WantedStreams } from "./command_streams.ts";
export { cpuTuning } from "./tuning/request.ts";
export { restoreInterrupts } from "./tuning/interrupts.ts";
export { tuneCpus, type TuningPlaces, untuneCpus } from "./tuning/tuning.ts";
export { execSync } from "./exec.ts";
export { execStream } from "./exec_stream.ts";
export { type ExitWatchOptions, watchExits } from "./exit_watch.ts";
export { readExit } from "./exit_record.ts";
export { forgetMonitor, reopenLog, resizeTerminal } from "./monitor_control.ts";
export { settleOomScore } from "./oom_score.ts";
export { isAlive, processRef } from "./process_ref.ts";
