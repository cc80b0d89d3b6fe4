import { type Config, parseDuration } from "../config/mod.ts";
import type { Pods } from "../pod/mod.ts";
import type { Streams } from "../server/mod.ts";
import { serveStreams, type StreamServer, type StreamTls } from "../streaming/mod.ts";

/**
 * Starts the streaming server of the configuration.
 *
 * @throws {CridError} When its address cannot be bound or a certificate cannot be read.
 */
export async function startStreams({ api }: Config, pods: Pods): Promise<StreamServer> {
  return await serveStreams({
    sources: pods,
    address: api.stream_address,
    port: Number(api.stream_port),
    tls: streamTls(api),
    idleMs: idleTimeout(api.stream_idle_timeout),
  });
}

/** What the CRI server needs of it: URLs for things that can be connected to now. */
export function streamUrls(server: StreamServer, pods: Pods): Streams {
  return {
    exec: ({ containerId, ...rest }) =>
      Promise.try(() => server.offer({ kind: "exec", id: pods.requireExec(containerId), ...rest })),
    attach: ({ containerId, ...rest }) =>
      Promise.try(() =>
        server.offer({ kind: "attach", id: pods.requireAttach(containerId), ...rest })
      ),
    portForward: (sandboxId) =>
      Promise.try(() => server.offer({ kind: "portforward", id: pods.requirePorts(sandboxId) })),
  };
}

function streamTls(api: Config["api"]): StreamTls | undefined {
  if (!api.stream_enable_tls) return undefined;
  return {
    certificate: api.stream_tls_cert,
    key: api.stream_tls_key,
    clientAuthorities: api.stream_tls_ca,
    minVersion: api.tls_min_version,
    cipherSuites: api.tls_cipher_suites,
  };
}

/** `""` is the server's default; `0` means never. */
function idleTimeout(text: string): number | undefined {
  if (text === "") return undefined;
  const milliseconds = parseDuration(text);
  return milliseconds > 0 ? milliseconds : Infinity;
}
