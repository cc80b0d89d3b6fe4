import { CridError } from "../failure/mod.ts";
import { type Account, type Group, isId, readAccounts, readGroups } from "./accounts.ts";

/** What a container's user is decided from. */
export interface UserRequest {
  /** CRI's fields. */
  readonly runAsUser: number | undefined;
  readonly runAsUsername: string;
  readonly runAsGroup: number | undefined;
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy: "merge" | "strict";
  /** `USER` of the image: `""`, `user`, or `user:group`, names or numbers. */
  readonly imageUser: string;
}

/** A user with every name resolved in the image. */
export interface ResolvedUser {
  readonly uid: number;
  readonly gid: number;
  /** The primary group first, no doubles. */
  readonly additionalGids: readonly number[];
  /** The account in the image's /etc/passwd, if it has one. */
  readonly account: Account | undefined;
  /** The primary group in the image's /etc/group, if it has one. */
  readonly group: Group | undefined;
}

/**
 * Finds out who a container runs as: CRI's user, else the image's, with names looked up in the
 * image's own tables.
 *
 * @throws {CridError} `invalid_argument` for a group without a user, or a name that the image does not know.
 */
export function resolveUser(rootfs: string, request: UserRequest): ResolvedUser {
  const [userText, groupText] = asked(request);
  const accounts = readAccounts(rootfs);
  const groups = readGroups(rootfs);
  const account = findAccount(accounts, userText);
  const uid = account?.uid ?? Number(userText || 0);
  const gid = groupText === "" ? account?.gid ?? 0 : findGid(groups, groupText);
  const additional = new Set([gid]);
  if (request.supplementalGroupsPolicy === "merge" && account !== undefined) {
    for (const group of groups) {
      if (group.members.includes(account.name)) additional.add(group.gid);
    }
  }
  for (const group of request.supplementalGroups) additional.add(group);
  return {
    uid,
    gid,
    additionalGids: [...additional],
    account,
    group: groups.find((group) => group.gid === gid),
  };
}

/** The user and group asked for, as texts; `""` for not given. */
function asked(request: UserRequest): [user: string, group: string] {
  const given = request.runAsUser !== undefined
    ? String(request.runAsUser)
    : request.runAsUsername.trim();
  if (given === "") {
    if (request.runAsGroup !== undefined) {
      throw new CridError("invalid_argument", "user group is specified without user or username");
    }
    return splitUser(request.imageUser);
  }
  return [given, request.runAsGroup === undefined ? "" : String(request.runAsGroup)];
}

function splitUser(text: string): [user: string, group: string] {
  const colon = text.indexOf(":");
  return colon < 0 ? [text, ""] : [text.slice(0, colon), text.slice(colon + 1)];
}

function findAccount(accounts: readonly Account[], text: string): Account | undefined {
  const byName = accounts.find((account) => account.name === text);
  if (byName !== undefined) return byName;
  if (text === "") return accounts.find((account) => account.uid === 0);
  if (isId(text)) return accounts.find((account) => account.uid === Number(text));
  throw new CridError(
    "invalid_argument",
    `user ${JSON.stringify(text)} is not in the image's /etc/passwd`,
  );
}

function findGid(groups: readonly Group[], text: string): number {
  const byName = groups.find((group) => group.name === text);
  if (byName !== undefined) return byName.gid;
  if (isId(text)) return Number(text);
  throw new CridError(
    "invalid_argument",
    `group ${JSON.stringify(text)} is not in the image's /etc/group`,
  );
}
