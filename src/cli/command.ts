import type { LoadedConfig } from "../config/mod.ts";
import type { FlagSpec, ParsedArguments } from "./arguments.ts";

/** One thing that crid can be told to do. */
export interface Command {
  readonly name: string;
  readonly aliases: readonly string[];
  /** One line, without a full stop. */
  readonly summary: string;
  /** More about it, for its own help. */
  readonly description?: string;
  /** What may follow the flags: `[bash|fish|zsh]`. */
  readonly operands?: string;
  readonly flags: readonly FlagSpec[];
  readonly commands?: readonly Command[];
  readonly hidden?: true;
  /** @returns The exit code. */
  readonly run: (call: Call) => number | Promise<number>;
}

/** One run of a command. */
export interface Call {
  readonly command: Command;
  /** Words that led here: `["status", "info"]`. */
  readonly words: readonly string[];
  /** Flags of the command and of those above it, and what follows them. */
  readonly given: ParsedArguments;
  /**
   * Merges the configuration and sets up the log; at most once.
   *
   * @param news Whether what a daemon tells its log is told here, too, unless a level is set.
   */
  readonly load: (news?: "told" | "kept back") => Promise<LoadedConfig>;
}
