/**
 * The isolates of the daemon, and what each may do.
 *
 * @module
 */

export { serve } from "./serve.ts";
