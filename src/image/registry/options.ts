import type { Config } from "../../config/mod.ts";
import type { HostCredentialsOptions } from "../host_credentials.ts";
import { hostPlatform, type Platform } from "../platform.ts";
import type { RegistriesFiles } from "../registries_conf.ts";
import type { ShortNameMode } from "../short_names.ts";
import { signatureReadPaths } from "../signature/read_paths.ts";
import type { WideningPolicy } from "./flow.ts";
import type { RetryPolicy } from "./retry.ts";

/** What the `pull` isolate works by. Plain data: it crosses isolates. */
export interface RegistryOptions {
  readonly registries: RegistriesFiles;
  /** Hosts and ranges of addresses, beside those of registries.conf. */
  readonly insecureRegistries?: readonly string[];
  readonly shortNameMode: ShortNameMode;
  /** policy.json. */
  readonly policyFile: string;
  /** Directory of `<namespace>.json`, each replacing the policy for its namespace; `""` for none. */
  readonly namespacePolicies: string;
  /** Directories of registries.d; the first that exists counts. */
  readonly registriesD?: readonly string[];
  /** Auth files, the first to be asked first. */
  readonly authFiles: readonly string[];
  /** Directories in the manner of `/etc/containers/certs.d`. */
  readonly certificateDirs: readonly string[];
  /** Files with the host's authorities; the first that exists counts. */
  readonly systemAuthorities: readonly string[];
  /** Directories that images are imported from, as archives. */
  readonly archiveDirs?: readonly string[];
  readonly userAgent: string;
  /** The host's, if not given. */
  readonly platform?: Platform;
  readonly retry?: Partial<RetryPolicy>;
  readonly widening?: Partial<WideningPolicy>;
}

/** Where the distributions keep the authorities that all programs trust. */
const SYSTEM_AUTHORITIES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/**
 * What crio.conf says, and the usual places for what it leaves open, in the look-up order of all
 * container tools for root.
 */
export function registryOptions(
  config: Pick<Config, "image" | "options">,
  version: string,
): RegistryOptions {
  const { image } = config;
  return {
    registries: registriesFiles(config),
    insecureRegistries: image.insecure_registries,
    shortNameMode: image.short_name_mode as ShortNameMode,
    policyFile: image.signature_policy || "/etc/containers/policy.json",
    namespacePolicies: image.signature_policy_dir,
    registriesD: ["/root/.config/containers/registries.d", "/etc/containers/registries.d"],
    authFiles: image.global_auth_file !== "" ? [image.global_auth_file] : [
      "/run/containers/0/auth.json",
      "/root/.config/containers/auth.json",
      "/root/.docker/config.json",
    ],
    certificateDirs: [
      "/root/.config/containers/certs.d",
      "/etc/containers/certs.d",
      "/etc/docker/certs.d",
    ],
    systemAuthorities: SYSTEM_AUTHORITIES,
    archiveDirs: [
      ...image.archive_dir === "" ? [] : [image.archive_dir],
      archiveScratch(config),
    ],
    userAgent: `crid/${version} os/linux arch/${hostPlatform().architecture}`,
    retry: { progressMs: image.pull_progress_timeout },
  };
}

/** Where credentials are that the `pull` isolate cannot get itself. */
export function credentialOptions(
  config: Pick<Config, "image" | "options">,
): HostCredentialsOptions {
  const { registries, shortNameMode, authFiles } = registryOptions(config, "");
  const namespacedDir = config.image.namespaced_auth_dir;
  return { registries, shortNameMode, authFiles, namespacedDir };
}

/** Where archives are decompressed to be imported. */
export function archiveScratch({ image }: Pick<Config, "image">): string {
  return `${image.big_files_temporary_dir || "/var/tmp"}/crid-archives`;
}

/** The registries.conf files that crio.conf names, or the usual ones. */
export function registriesFiles({ options }: Pick<Config, "options">): RegistriesFiles {
  return {
    conf: options.registries_conf || "/etc/containers/registries.conf",
    dropIns: options.registries_conf_dir !== ""
      ? [options.registries_conf_dir]
      : ["/etc/containers/registries.conf.d", "/root/.config/containers/registries.conf.d"],
    recordedAliases: "/var/cache/containers/short-name-aliases.conf",
  };
}

/** Every file and directory that the `pull` isolate reads: its whole read permission. */
export function registryReadPaths(options: RegistryOptions): readonly string[] {
  return [
    options.registries.conf,
    ...options.registries.dropIns,
    options.registries.recordedAliases,
    options.policyFile,
    ...options.namespacePolicies === "" ? [] : [options.namespacePolicies],
    ...options.authFiles,
    ...options.certificateDirs,
    ...options.systemAuthorities,
    ...options.archiveDirs ?? [],
    ...signatureReadPaths(
      [options.policyFile],
      options.namespacePolicies,
      options.registriesD ?? [],
    ),
  ];
}
