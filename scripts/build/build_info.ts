/**
 * What a build knows about itself.
 *
 * @module
 */
import { join } from "@std/path";
import type { BuildInfo } from "../../src/cli/build_info.ts";
import { repository } from "./paths.ts";

/**
 * Version, commit and dates. The build date is that of the commit, or of `SOURCE_DATE_EPOCH`, so
 * that the same source gives the same file.
 */
export async function buildInfo(builtBy: string): Promise<BuildInfo> {
  const { version } = JSON.parse(await Deno.readTextFile(join(repository, "deno.json"))) as {
    version: string;
  };
  const commitDate = await git("log", "-1", "--format=%cI");
  const changes = await git("status", "--porcelain", "--untracked-files=no");
  const epoch = Deno.env.get("SOURCE_DATE_EPOCH");
  return {
    version,
    gitCommit: await git("rev-parse", "HEAD") ?? "unknown",
    gitCommitDate: commitDate ?? "unknown",
    gitTreeState: changes === undefined ? "unknown" : changes === "" ? "clean" : "dirty",
    buildDate: epoch === undefined
      ? commitDate ?? "unknown"
      : new Date(Number(epoch) * 1000).toISOString(),
    builtBy,
  };
}

/** Output of git, `undefined` where there is no git or no repository. */
async function git(...args: string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", { args, cwd: repository }).output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
