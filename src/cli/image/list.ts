import { parseReference, repositoryName } from "../../image/mod.ts";
import { isOn } from "../arguments.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { formatBytes, formatTable, shortId } from "./format.ts";
import { openSession, operands } from "./session.ts";

/** `crid image list` */
export async function list(call: Call): Promise<number> {
  operands(call, 0, 0);
  await using session = await openSession(call);
  const { given } = call;
  const images = await session.images.list();
  if (isOn(given, "json")) {
    const shown = images.map(({ configJson: _, config: __, ...image }) => image);
    print(JSON.stringify(shown, undefined, 2) + "\n");
    return 0;
  }
  if (isOn(given, "quiet")) {
    print(images.map(({ id }) => id + "\n").join(""));
    return 0;
  }
  const withDigests = isOn(given, "digests");
  const rows = images.flatMap(({ id, repoTags, repoDigests, size, pinned }) => {
    const names = repoTags.length > 0 ? repoTags.map(split) : nameless(repoDigests);
    return names.map(([repository, tag]) => [
      repository,
      tag,
      ...withDigests ? [digestOf(repository, repoDigests)] : [],
      shortId(id),
      formatBytes(size),
      pinned ? "yes" : "",
    ]);
  });
  const digest = withDigests ? ["DIGEST"] : [];
  print(formatTable([["REPOSITORY", "TAG", ...digest, "IMAGE ID", "SIZE", "PINNED"], ...rows]));
  return 0;
}

function split(name: string): readonly [string, string] {
  try {
    const reference = parseReference(name);
    return [repositoryName(reference), reference.tag ?? "<none>"];
  } catch {
    // Another tool may have recorded what this one would not accept as a name.
    return [name, "<none>"];
  }
}

function nameless(digests: readonly string[]): readonly (readonly [string, string])[] {
  const repositories = new Set(digests.map((each) => each.slice(0, each.indexOf("@"))));
  if (repositories.size === 0) return [["<none>", "<none>"]];
  return Array.from(repositories, (repository) => [repository, "<none>"] as const);
}

function digestOf(repository: string, digests: readonly string[]): string {
  const prefix = `${repository}@`;
  return digests.find((each) => each.startsWith(prefix))?.slice(prefix.length) ?? "<none>";
}
