import type { Platform } from "../platform.ts";
import type { RegistriesFiles } from "../registries_conf.ts";
import type { ShortNameMode } from "../short_names.ts";
import type { RetryPolicy } from "./retry.ts";

/** What the `pull` isolate works by. Plain data: it crosses isolates. */
export interface RegistryOptions {
  readonly registries: RegistriesFiles;
  readonly shortNameMode: ShortNameMode;
  /** policy.json. */
  readonly policyFile: string;
  /** Directory of `<namespace>.json`, each replacing the policy for its namespace; `""` for none. */
  readonly namespacePolicies: string;
  /** Auth files, the first to be asked first. */
  readonly authFiles: readonly string[];
  /** Directories in the manner of `/etc/containers/certs.d`. */
  readonly certificateDirs: readonly string[];
  /** Files with the host's authorities; the first that exists counts. */
  readonly systemAuthorities: readonly string[];
  readonly userAgent: string;
  /** The host's, if not given. */
  readonly platform?: Platform;
  readonly retry?: Partial<RetryPolicy>;
}

/** What of crio.conf and the environment says where things are. */
export interface RegistrySettings {
  /** `global_auth_file`; `""` for the usual places. */
  readonly globalAuthFile: string;
  /** `signature_policy`; `""` for the usual place. */
  readonly signaturePolicy: string;
  /** `signature_policy_dir`. */
  readonly signaturePolicyDir: string;
  /** `short_name_mode`. */
  readonly shortNameMode: ShortNameMode;
  readonly userAgent: string;
  /** HOME, XDG_RUNTIME_DIR, XDG_CONFIG_HOME, DOCKER_CONFIG, SSL_CERT_FILE, CONTAINERS_REGISTRIES_CONF. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where the distributions keep the authorities that all programs trust. */
const SYSTEM_AUTHORITIES = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/cert.pem",
];

/** The usual places of everything, in the look-up order of all container tools. */
export function registryOptions(settings: RegistrySettings): RegistryOptions {
  const { environment: env } = settings;
  const home = env.HOME ?? "/root";
  const userConfig = `${env.XDG_CONFIG_HOME ?? `${home}/.config`}/containers`;
  const dockerConfig = env.DOCKER_CONFIG ?? `${home}/.docker`;
  return {
    registries: {
      conf: env.CONTAINERS_REGISTRIES_CONF ?? "/etc/containers/registries.conf",
      dropIns: ["/etc/containers/registries.conf.d", `${userConfig}/registries.conf.d`],
      recordedAliases: "/var/cache/containers/short-name-aliases.conf",
    },
    shortNameMode: settings.shortNameMode,
    policyFile: settings.signaturePolicy || "/etc/containers/policy.json",
    namespacePolicies: settings.signaturePolicyDir,
    authFiles: settings.globalAuthFile !== "" ? [settings.globalAuthFile] : [
      `${env.XDG_RUNTIME_DIR ?? "/run/containers/0"}/${
        env.XDG_RUNTIME_DIR === undefined ? "" : "containers/"
      }auth.json`,
      `${userConfig}/auth.json`,
      `${dockerConfig}/config.json`,
    ],
    certificateDirs: [
      `${userConfig}/certs.d`,
      "/etc/containers/certs.d",
      "/etc/docker/certs.d",
    ],
    systemAuthorities: [
      ...env.SSL_CERT_FILE ? [env.SSL_CERT_FILE] : [],
      ...SYSTEM_AUTHORITIES,
    ],
    userAgent: settings.userAgent,
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
  ];
}
