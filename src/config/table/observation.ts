import { collectionPeriod, includedPodMetrics, metricsCollectors } from "../check.ts";
import type { Section } from "../setting.ts";

/** Prometheus collectors, without their common prefix `container_runtime_crio_`. */
export const COLLECTORS = [
  "image_pulls_layer_size",
  "containers_events_dropped_total",
  "containers_oom_total",
  "processes_defunct",
  "operations_total",
  "operations_latency_seconds",
  "operations_latency_seconds_total",
  "operations_errors_total",
  "image_pulls_bytes_total",
  "image_pulls_skipped_bytes_total",
  "image_pulls_failure_total",
  "image_pulls_success_total",
  "image_layer_reuse_total",
  "containers_oom_count_total",
  "containers_seccomp_notifier_count_total",
  "resources_stalled_at_stage",
  "containers_stopped_monitor_count",
  "default_runtime",
] as const;

/** `[crio.metrics]`: the Prometheus endpoint. */
export const METRICS = {
  enable_metrics: {
    type: "boolean",
    default: false,
    flag: "enable-metrics",
    env: ["CONTAINER_ENABLE_METRICS"],
    built: false,
    doc: "Whether metrics are served for Prometheus.",
  },
  metrics_collectors: {
    type: "list",
    default: COLLECTORS,
    flag: "metrics-collectors",
    env: ["CONTAINER_METRICS_COLLECTORS"],
    built: false,
    check: metricsCollectors(COLLECTORS),
    doc: "Collectors to serve, with or without the prefix container_runtime_crio_ or parts of it.",
  },
  metrics_host: {
    type: "string",
    default: "127.0.0.1",
    flag: "metrics-host",
    env: ["CONTAINER_METRICS_HOST"],
    built: false,
    doc: "Address of the metrics endpoint.",
  },
  metrics_port: {
    type: "integer",
    default: 9090,
    flag: "metrics-port",
    env: ["CONTAINER_METRICS_PORT"],
    built: false,
    doc: "Port of the metrics endpoint.",
  },
  metrics_socket: {
    type: "string",
    default: "",
    flag: "metrics-socket",
    env: ["CONTAINER_METRICS_SOCKET"],
    built: false,
    doc: 'Unix socket that serves the metrics too; "" means none.',
  },
  metrics_cert: {
    type: "string",
    default: "",
    flag: "metrics-cert",
    env: ["CONTAINER_METRICS_CERT"],
    built: false,
    doc:
      "Certificate of the metrics endpoint (PEM). TLS is used when this and metrics_key are set.",
  },
  metrics_key: {
    type: "string",
    default: "",
    flag: "metrics-key",
    env: ["CONTAINER_METRICS_KEY"],
    built: false,
    doc: "Private key of the metrics endpoint (PEM).",
  },
} as const satisfies Section;

/** `[crio.tracing]`: OpenTelemetry. */
export const TRACING = {
  enable_tracing: {
    type: "boolean",
    default: false,
    flag: "enable-tracing",
    env: ["CONTAINER_ENABLE_TRACING"],
    built: false,
    doc: "Whether spans are exported over OTLP.",
  },
  tracing_endpoint: {
    type: "string",
    default: "127.0.0.1:4317",
    flag: "tracing-endpoint",
    env: ["CONTAINER_TRACING_ENDPOINT"],
    built: false,
    doc: "Address of the OTLP collector (gRPC without TLS).",
  },
  tracing_sampling_rate_per_million: {
    type: "integer",
    default: 0,
    flag: "tracing-sampling-rate-per-million",
    env: ["CONTAINER_TRACING_SAMPLING_RATE_PER_MILLION"],
    built: false,
    doc: "How many of a million requests are traced when the caller does not ask for it.",
  },
} as const satisfies Section;

/** `[crio.stats]`: figures of containers and pods. */
export const STATS = {
  stats_collection_period: {
    type: "integer",
    default: 0,
    flag: "stats-collection-period",
    env: ["CONTAINER_STATS_COLLECTION_PERIOD"],
    built: false,
    deprecated: "use collection_period",
    doc: "Has no effect, in CRI-O neither.",
  },
  collection_period: {
    type: "integer",
    default: 0,
    flag: "collection-period",
    env: ["COLLECTION_PERIOD"],
    built: false,
    check: collectionPeriod,
    doc: "Seconds between two collections of figures; 0 collects when asked.",
  },
  included_pod_metrics: {
    type: "list",
    default: [],
    flag: "included-pod-metrics",
    env: ["CONTAINER_INCLUDED_POD_METRCIS", "CONTAINER_INCLUDED_POD_METRICS"],
    check: includedPodMetrics,
    doc:
      "Groups of pod metrics: cpu, disk, diskIO, hugetlb, memory, network, oom, process, spec, " +
      "pressure; or all alone.",
  },
} as const satisfies Section;
