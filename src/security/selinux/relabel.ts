import { CridError, errorMessage } from "../../failure/mod.ts";
import { isErrno, lgetxattr, lsetxattr, walkTree } from "../../linux/mod.ts";
import { canonicalLabel, type SelinuxPolicy } from "./policy.ts";

const ATTRIBUTE = "security.selinux";

/** Directories that the host itself needs: with a container's label the host would not work. */
const PROTECTED: ReadonlySet<string> = new Set([
  ...["/", "/bin", "/boot", "/dev", "/etc", "/etc/passwd", "/etc/pki", "/etc/shadow", "/home"],
  ...[
    "/lib",
    "/lib64",
    "/media",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/tmp",
  ],
  ...["/usr", "/var", "/var/lib", "/var/log"],
]);

/** The label of a file, `""` when it has none; a link is not followed. */
export function fileLabel(path: string | Uint8Array): string {
  const value = lgetxattr(path, ATTRIBUTE);
  return value === undefined ? "" : new TextDecoder().decode(value).replace(/\0$/, "");
}

/**
 * Gives a label to a file, or to a directory and all that is below it. File systems without labels
 * are left as they are.
 *
 * @param path Absolute, with links resolved.
 * @throws {CridError} `invalid_argument` for a directory that the host needs.
 */
export async function relabel(path: string, label: string): Promise<void> {
  if (PROTECTED.has(path)) {
    throw new CridError(
      "invalid_argument",
      `SELinux relabeling of ${path} is not allowed: the host needs it as it is; ` +
        "mount a directory below it, or without relabeling",
    );
  }
  try {
    await walkTree(path, (entry) => setLabel(entry, label));
  } catch (error) {
    throw new CridError("internal", `relabel failed ${path}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}

/**
 * As {@linkcode relabel}, but a tree whose top has the label already is taken to have it throughout:
 * large volumes are slow to walk.
 */
export async function relabelUnlessLabelled(
  policy: SelinuxPolicy,
  path: string,
  label: string,
): Promise<void> {
  if (fileLabel(path) === canonicalLabel(policy, label)) return;
  await relabel(path, label);
}

/** Setting what is there already would change the file's ctime. */
function setLabel(path: Uint8Array, label: string): void {
  if (fileLabel(path) === label) return;
  try {
    lsetxattr(path, ATTRIBUTE, label);
  } catch (error) {
    if (!isErrno(error, "ENOTSUP", "EOPNOTSUPP")) throw error;
  }
}
