import type { Section } from "../setting.ts";

/** `[crio.checkpoint_restore]`. */
export const CHECKPOINT_RESTORE = {
  container_level_enabled: {
    type: "string",
    default: "checkpoint_restore",
    choices: ["none", "checkpoint_only", "checkpoint_restore"],
    flag: "checkpoint-restore-container-level-enabled",
    env: ["CONTAINER_CHECKPOINT_RESTORE_CONTAINER_LEVEL_ENABLED"],
    built: false,
    without: "none",
    doc: "What may be done with single containers: none, checkpoint_only or checkpoint_restore. " +
      "crid does neither yet, whatever this says.",
  },
} as const satisfies Section;
