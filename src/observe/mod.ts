/**
 * What the operator sees of crid: the log.
 *
 * @module
 */

export { type Fields, type Level, LEVELS, log, Logger, parseLevel } from "./log.ts";
