/** What a manifest list says about one of its entries, and what a host can run. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** `""` when there is none: `v8` on arm64, `v7` on arm. */
  readonly variant: string;
}

const ARCHITECTURES: Readonly<Record<string, Platform>> = {
  x86_64: { os: "linux", architecture: "amd64", variant: "" },
  aarch64: { os: "linux", architecture: "arm64", variant: "v8" },
};

/** Variants that a host of the first entry runs, best first; `""` stands for none given. */
const VARIANTS: Readonly<Record<string, readonly string[]>> = {
  arm: ["v8", "v7", "v6", "v5", ""],
  arm64: ["v8", ""],
};

/** The platform of this process, in the words of the image specification. */
export function hostPlatform(): Platform {
  return ARCHITECTURES[Deno.build.arch] ??
    { os: "linux", architecture: Deno.build.arch, variant: "" };
}

/**
 * How well `offered` suits `host`: 0 is best, `undefined` not at all. An older variant runs on a newer
 * host, never the other way round.
 */
export function platformRank(host: Platform, offered: Platform): number | undefined {
  if (offered.os !== host.os || offered.architecture !== host.architecture) return undefined;
  const all = VARIANTS[host.architecture] ?? [""];
  const from = host.variant === "" ? 0 : all.indexOf(host.variant);
  const rank = (from < 0 ? [host.variant, ""] : all.slice(from)).indexOf(offered.variant);
  return rank < 0 ? undefined : rank;
}

/** `linux/arm64/v8`. */
export function platformName(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part).join("/");
}
