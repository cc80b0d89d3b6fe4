/**
 * What the commands of `crid image` do.
 *
 * @module
 */

export { list } from "./list.ts";
export { inspect } from "./inspect.ts";
export { pull } from "./pull.ts";
export { push, save } from "./push.ts";
export { load } from "./load.ts";
export { mount, prune, remove, tag, unmount } from "./change.ts";
