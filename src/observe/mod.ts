/**
 * What the operator sees of crid: the log.
 *
 * @module
 */

export { type Fields, type Level, LEVELS, log, Logger, parseFilter, parseLevel } from "./log.ts";
