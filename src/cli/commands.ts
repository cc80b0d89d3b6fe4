import type { Command } from "./command.ts";
import { CHECK } from "./commands/check.ts";
import { COMPLETION } from "./commands/completion.ts";
import { CONFIG } from "./commands/config.ts";
import { INSTALL } from "./commands/install.ts";
import { HELP_COMMAND, MAN, MARKDOWN } from "./commands/manual.ts";
import { IMAGE } from "./commands/image.ts";
import { PUBLISH } from "./commands/publish.ts";
import { PULL_PROCESS } from "./commands/pull_process.ts";
import { SERVE } from "./commands/serve.ts";
import { STATUS } from "./commands/status.ts";
import { UNINSTALL } from "./commands/uninstall.ts";
import { VERSION } from "./commands/version.ts";
import { WIPE } from "./commands/wipe.ts";

/** crid itself: without a command it serves. */
export const CRID: Command = {
  ...SERVE,
  commands: [
    CHECK,
    COMPLETION,
    CONFIG,
    HELP_COMMAND,
    IMAGE,
    INSTALL,
    MAN,
    MARKDOWN,
    PUBLISH,
    PULL_PROCESS,
    STATUS,
    UNINSTALL,
    VERSION,
    WIPE,
  ],
};

/** The command of a name or alias below `command`. */
export function findCommand(command: Command, name: string): Command | undefined {
  return command.commands?.find((below) => below.name === name || below.aliases.includes(name));
}
