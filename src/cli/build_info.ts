/** What is known about how this crid was built. */
export interface BuildInfo {
  readonly version: string;
  readonly gitCommit: string;
  /** RFC 3339. */
  readonly gitCommitDate: string;
  readonly gitTreeState: "clean" | "dirty" | "unknown";
  /** RFC 3339. */
  readonly buildDate: string;
  /** How the runtime got into the file: `deno compile`, `launcher`, or `source`. */
  readonly builtBy: string;
}

/** Defined by scripts/build.ts when it bundles; from source there is no such name. */
declare const CRID_BUILD_INFO: BuildInfo | undefined;

/** This crid. */
export const buildInfo: BuildInfo = typeof CRID_BUILD_INFO === "undefined"
  ? {
    version: "0.1.0",
    gitCommit: "unknown",
    gitCommitDate: "unknown",
    gitTreeState: "unknown",
    buildDate: "unknown",
    builtBy: "source",
  }
  : CRID_BUILD_INFO;
