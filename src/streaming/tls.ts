import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Server } from "node:https";
import type { TLSSocket } from "node:tls";
import { basename, dirname } from "@std/path";
import { CridError, errorMessage } from "../failure/mod.ts";
import { log } from "../observe/mod.ts";
import type { StreamTls } from "./types.ts";

/** A new certificate and its key are two files: wait until both are there. */
const SETTLE_MS = 200;

/** What `node:https` needs. */
export interface TlsOptions {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ca?: string;
  readonly requestCert?: boolean;
  readonly rejectUnauthorized?: boolean;
}

/**
 * Reads certificate, key and client authorities.
 *
 * @throws {CridError} `invalid_argument` when one is not given or cannot be read.
 */
export function readTls(tls: StreamTls): TlsOptions {
  const { certificate, key, clientAuthorities, minVersion } = tls;
  if (certificate === "") throw wrong("stream TLS cert path is empty");
  if (key === "") throw wrong("stream TLS key path is empty");
  return {
    ...readPair(certificate, key),
    minVersion: minVersion === "VersionTLS13" ? "TLSv1.3" : "TLSv1.2",
    ...(clientAuthorities === "" ? {} : {
      ca: readPem(clientAuthorities),
      requestCert: true,
      rejectUnauthorized: true,
    }),
  };
}

/** A server takes any text and would fail each client: better to know now. */
function readPair(certificate: string, key: string): Pick<TlsOptions, "cert" | "key"> {
  const pair = { cert: readPem(certificate), key: readPem(key) };
  let fits;
  try {
    fits = new X509Certificate(pair.cert).checkPrivateKey(createPrivateKey(pair.key));
  } catch (error) {
    throw wrong(`${certificate} and ${key} of the streaming server: ${errorMessage(error)}`);
  }
  if (fits) return pair;
  throw wrong(`${key} is not the key of ${certificate} of the streaming server`);
}

function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(`read ${path} for the streaming server: ${errorMessage(error)}`);
  }
}

function wrong(message: string): CridError {
  return new CridError("invalid_argument", message);
}

/** Hangs up on clients whose TLS 1.2 suite is not listed. TLS 1.3 has a fixed list. */
export function enforceSuites(server: Server, { cipherSuites, minVersion }: StreamTls): void {
  if (cipherSuites.length === 0) return;
  if (minVersion === "VersionTLS13") {
    log.warn("tls_cipher_suites is ignored: TLS 1.3 has a fixed list");
    return;
  }
  const allowed = new Set(cipherSuites);
  server.on("secureConnection", (socket: TLSSocket) => {
    const { standardName } = socket.getCipher();
    if (socket.getProtocol() === "TLSv1.3" || allowed.has(standardName)) return;
    log.debug(`streaming client refused: cipher suite ${standardName}`);
    socket.destroy();
  });
}

/** Has the server use certificate and key anew when their files change. A bad one changes nothing. */
export function followCertificate(server: Server, tls: StreamTls): Disposable {
  const names = new Set([tls.certificate, tls.key].map((path) => basename(path)));
  const directories = new Set([tls.certificate, tls.key].map((path) => dirname(path)));
  // Directories: files are replaced by renames, and by links to elsewhere (..data).
  const watcher = Deno.watchFs([...directories], { recursive: false });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const reload = () => {
    log.debug("Certificate or key of the streaming server has changed, reloading certificates");
    try {
      server.setSecureContext(readTls(tls));
      log.info("Reloaded the certificate of the streaming server");
    } catch (error) {
      log.error(`keep the streaming server's certificate: ${errorMessage(error)}`);
    }
  };
  const follow = async () => {
    for await (const { paths, kind } of watcher) {
      if (kind === "access") continue;
      if (!paths.some((path) => names.has(basename(path)) || basename(path) === "..data")) continue;
      clearTimeout(timer);
      timer = setTimeout(reload, SETTLE_MS);
    }
  };
  follow().catch((error) => {
    log.error(`the streaming server's certificate is not followed: ${errorMessage(error)}`);
  });
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}
