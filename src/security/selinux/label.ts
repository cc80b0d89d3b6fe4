import { CridError } from "../../failure/mod.ts";

/** A label's parts; `level` is `""` where the policy has no levels. */
export interface LabelParts {
  readonly user: string;
  readonly role: string;
  readonly type: string;
  readonly level: string;
}

/** Reads `user:role:type` or `user:role:type:level`; a level has colons of its own. */
export function parseLabel(label: string): LabelParts {
  const [user = "", role = "", type = "", ...level] = label.split(":");
  return { user, role, type, level: level.join(":") };
}

export function formatLabel({ user, role, type, level }: LabelParts): string {
  return [user, role, type, ...(level === "" ? [] : [level])].join(":");
}

/** Puts the parts that were asked for over those of a label. */
export function mergeParts(base: LabelParts, asked: LabelParts): LabelParts {
  return {
    user: asked.user || base.user,
    role: asked.role || base.role,
    type: asked.type || base.type,
    level: asked.level || base.level,
  };
}

/**
 * Refuses parts that would change the meaning of what is around them: labels become options of
 * mounts.
 *
 * @throws {CridError} `invalid_argument`.
 */
export function checkParts(asked: LabelParts): void {
  const refuse = (name: string, value: string) => {
    throw new CridError(
      "invalid_argument",
      `SELinux ${name} ${JSON.stringify(value)}: it has characters that no ${name} has`,
    );
  };
  for (const name of ["user", "role", "type"] as const) {
    if (!/^[\w.-]*$/.test(asked[name])) refuse(name, asked[name]);
  }
  if (!/^[\w.,:-]*$/.test(asked.level)) refuse("level", asked.level);
}
