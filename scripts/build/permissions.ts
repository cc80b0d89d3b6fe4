/**
 * With what rights and V8 settings the program runs, however it was built.
 *
 * @module
 */

/** The supervisor's permissions, each by name; its workers get less. */
export const PERMISSIONS: readonly string[] = [
  "--allow-read",
  "--allow-write",
  "--allow-net",
  "--allow-run",
  "--allow-ffi",
  "--allow-env",
  "--allow-sys",
];

/** Flags that `deno run` and `deno compile` share. */
export const RUNTIME_FLAGS: readonly string[] = [
  "--quiet",
  "--no-prompt",
  "--no-config",
  "--no-lock",
  "--no-remote",
  "--no-npm",
  "--cached-only",
  "--unstable-worker-options",
  "--v8-flags=--max-semi-space-size=2,--optimize-for-size",
];
