/**
 * What goes wrong, and how it is taken back: errors with a code, and lists that undo half-made things.
 *
 * @module
 */

export { CridError, type ErrorCode, errorMessage, isCode, wrapError } from "./crid_error.ts";
export { Timer } from "./timer.ts";
export { together } from "./together.ts";
export { Unwind } from "./unwind.ts";
export { abortable, Deadline, deadline } from "./deadline.ts";
