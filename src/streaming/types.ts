/**
 * What the streaming server serves, and what it needs from those who start it.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import type { CommandStreams, WantedStreams } from "../oci/mod.ts";

/** Where the streams come from; the server knows nothing of containers. */
export interface StreamSources {
  /** @throws {CridError} When it cannot be done; else it shows when the streams end. */
  exec(containerId: string, command: readonly string[], wanted: WantedStreams): CommandStreams;
  /** @throws {CridError} */
  attach(containerId: string, wanted: WantedStreams): CommandStreams;
  /** @throws {CridError} (as a rejection) */
  connect(sandboxId: string, port: number): Promise<Duplex>;
}

/** What a client may connect to, once. */
export type StreamRequest =
  | ({
    readonly kind: "exec";
    readonly id: string;
    readonly command: readonly string[];
  } & WantedStreams)
  | ({ readonly kind: "attach"; readonly id: string } & WantedStreams)
  | { readonly kind: "portforward"; readonly id: string };

/** TLS of the streaming server, as in crio.conf. */
export interface StreamTls {
  /** Paths of PEM files; certificate and key are read again when they change. */
  readonly certificate: string;
  readonly key: string;
  /** When set, clients need a certificate from these authorities. */
  readonly clientAuthorities: string;
  /** `VersionTLS12` or `VersionTLS13`. */
  readonly minVersion: string;
  /** IANA names, for TLS 1.2; empty: all that are safe. */
  readonly cipherSuites: readonly string[];
}

export interface StreamServerOptions {
  readonly sources: StreamSources;
  /** `""` for all addresses. */
  readonly address: string;
  /** 0: one that is free. */
  readonly port: number;
  readonly tls?: StreamTls | undefined;
  /** A connection without data for so long is closed. Default 4 hours. */
  readonly idleMs?: number | undefined;
  /** How long a URL is good for. Default 1 minute. */
  readonly tokenMs?: number;
  /** How long a client may take to open its streams. Default 30 seconds. */
  readonly openMs?: number;
}

export interface StreamServer extends AsyncDisposable {
  readonly port: number;
  /**
   * A URL that one client can connect to, once and soon.
   *
   * @throws {CridError} `resource_exhausted` when too many of them are unused.
   */
  offer(request: StreamRequest): string;
}
