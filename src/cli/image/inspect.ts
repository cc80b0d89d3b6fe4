import { parseTransport, type ResolvedImage } from "../../image/mod.ts";
import type { Call } from "../command.ts";
import { print } from "../output.ts";
import { loadPath } from "./load.ts";
import { credentials, imageNamed, type ImageSession, openSession, operands } from "./session.ts";

const TRANSPORT = /^(docker|oci|oci-archive|docker-archive|containers-storage):/;

/** `crid image inspect` */
export async function inspect(call: Call): Promise<number> {
  const names = operands(call, 1);
  const archives = names.flatMap((text) => {
    const name = TRANSPORT.test(text) ? parseTransport(text) : undefined;
    return name !== undefined && "path" in name ? [name.path] : [];
  });
  await using session = await openSession(call, archives);
  const shown: unknown[] = [];
  for (const text of names) {
    const name = parseTransport(text, "containers-storage");
    if (name.kind === "containers-storage") {
      shown.push(await inspectStored(session, name.reference));
    } else if (name.kind === "docker") {
      shown.push(await inspectRemote(call, session, name.reference));
    } else {
      shown.push(
        await loadPath(session, name.path, name.kind, async ({ name: { kind, path } }) => {
          const image = name.image === undefined ? "" : `:${name.image}`;
          return await inspectRemote(call, session, `${kind}:${path}${image}`);
        }),
      );
    }
  }
  print(JSON.stringify(shown, undefined, 2) + "\n");
  return 0;
}

async function inspectStored(session: ImageSession, name: string): Promise<unknown> {
  const image = await imageNamed(session, name);
  const record = await session.store.image(image.id);
  const config = JSON.parse(image.configJson);
  return {
    Id: image.id,
    Digest: record?.digest ?? "",
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    NamesHistory: record?.namesHistory ?? [],
    Created: config.created ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture ?? "",
    Variant: config.variant ?? "",
    Os: config.os ?? "",
    Size: image.size,
    Pinned: image.pinned,
    User: image.config.user,
    Annotations: image.annotations,
    Labels: image.config.labels,
    Config: config.config ?? {},
    RootFS: { Type: "layers", Layers: config.rootfs?.diff_ids ?? [] },
    TopLayer: record?.layer ?? "",
    History: config.history ?? [],
  };
}

async function inspectRemote(
  call: Call,
  session: ImageSession,
  reference: string,
): Promise<unknown> {
  const registry = await session.registry();
  const request = { reference, auth: credentials(call), namespace: "" };
  const image = await registry.resolve(request, session.signal);
  registry.close(image.session);
  return describe(image);
}

function describe(image: ResolvedImage): unknown {
  const text = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
  const config = text(image.config);
  return {
    Id: image.configDigest.replace(/^sha256:/, ""),
    Digest: image.digest,
    ManifestDigest: image.manifestDigest,
    RepoTags: [image.name, ...image.otherNames ?? []].filter((name) => name !== ""),
    Created: config.created ?? "",
    Architecture: config.architecture ?? "",
    Os: config.os ?? "",
    Annotations: text(image.manifest).annotations ?? {},
    Config: config.config ?? {},
    RootFS: { Type: "layers", Layers: config.rootfs?.diff_ids ?? [] },
    LayersData: image.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  };
}
