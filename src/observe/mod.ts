/**
 * What the operator sees of crid: the log, and the time that events bear.
 *
 * @module
 */

export { now } from "./clock.ts";
export {
  configureLog,
  configureWorkerLog,
  type Fields,
  type Level,
  LEVELS,
  log,
  logForWorker,
  Logger,
  type LogOptions,
  parseFilter,
  parseLevel,
  setLogLevel,
} from "./log.ts";
export type { LogSink, WorkerLog } from "./log_sink.ts";
