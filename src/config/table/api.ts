import { portText, streamIdleTimeout } from "../check.ts";
import type { Section } from "../setting.ts";

/** `[crio.api]`: the sockets that clients talk to. */
export const API = {
  listen: {
    type: "string",
    default: "/var/run/crio/crio.sock",
    flag: "listen",
    env: ["CONTAINER_LISTEN"],
    doc: "Unix socket for the kubelet and crictl (gRPC) and for status requests (HTTP/1). " +
      "Its mode is 0660. A socket that still answers is never replaced.",
  },
  stream_address: {
    type: "string",
    default: "127.0.0.1",
    flag: "stream-address",
    env: ["CONTAINER_STREAM_ADDRESS"],
    doc: 'Address of the exec, attach and port-forward server, IPv4 or IPv6; "" means all.',
  },
  stream_port: {
    type: "string",
    default: "0",
    flag: "stream-port",
    env: ["CONTAINER_STREAM_PORT"],
    check: portText("stream_port"),
    doc: "Port of the exec, attach and port-forward server; 0 lets the kernel choose.",
  },
  stream_enable_tls: {
    type: "boolean",
    default: false,
    flag: "stream-enable-tls",
    env: ["CONTAINER_ENABLE_TLS"],
    doc: "Whether the streaming server speaks TLS; needs stream_tls_cert and stream_tls_key.",
  },
  stream_idle_timeout: {
    type: "string",
    default: "",
    flag: "stream-idle-timeout",
    env: ["STREAM_IDLE_TIMEOUT"],
    check: streamIdleTimeout,
    doc: 'How long a stream may be silent before it is closed ("30m"); "" means 4h.',
  },
  stream_tls_cert: {
    type: "string",
    default: "",
    flag: "stream-tls-cert",
    env: ["CONTAINER_TLS_CERT"],
    doc: "Certificate of the streaming server (PEM). Read again when the file changes.",
  },
  stream_tls_key: {
    type: "string",
    default: "",
    flag: "stream-tls-key",
    env: ["CONTAINER_TLS_KEY"],
    doc: "Private key of the streaming server (PEM). Read again when the file changes.",
  },
  stream_tls_ca: {
    type: "string",
    default: "",
    flag: "stream-tls-ca",
    env: ["CONTAINER_TLS_CA"],
    doc: "Authorities that client certificates must come from (PEM). When set, the streaming " +
      "server accepts only clients with such a certificate.",
  },
  tls_min_version: {
    type: "string",
    default: "VersionTLS12",
    choices: ["VersionTLS12", "VersionTLS13"],
    flag: "tls-min-version",
    env: ["CONTAINER_TLS_MIN_VERSION"],
    doc: "Oldest TLS version of the streaming and metrics servers: VersionTLS12 or " +
      'VersionTLS13; "" means VersionTLS12.',
  },
  tls_cipher_suites: {
    type: "list",
    default: [],
    flag: "tls-cipher-suites",
    env: ["CONTAINER_TLS_CIPHER_SUITES"],
    doc: "Cipher suites of the streaming and metrics servers for TLS 1.2, by their IANA names; " +
      "an empty list means the safe ones. TLS 1.3 has a fixed list.",
  },
  grpc_max_send_msg_size: {
    type: "integer",
    default: 80 * 1024 * 1024,
    flag: "grpc-max-send-msg-size",
    env: ["CONTAINER_GRPC_MAX_SEND_MSG_SIZE"],
    doc: "Largest gRPC answer in bytes; 0 or less means the default of 80 MiB.",
  },
  grpc_max_recv_msg_size: {
    type: "integer",
    default: 80 * 1024 * 1024,
    flag: "grpc-max-recv-msg-size",
    env: ["CONTAINER_GRPC_MAX_RECV_MSG_SIZE"],
    doc: "Largest gRPC request in bytes; 0 or less means the default of 80 MiB.",
  },
} as const satisfies Section;
