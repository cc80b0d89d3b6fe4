import type { Config, RuntimeHandlerConfig } from "../../config/mod.ts";

/**
 * The configuration as `crictl info` shows it: JSON under the names of CRI-O's Go fields, which
 * scripts read. Environments of containers and monitors may hold secrets and are left out.
 */
export function verboseConfig(config: Config): string {
  return JSON.stringify({
    sandboxImage: config.image.pause_image,
    // critest looks here for a file system to try id-mapped mounts on.
    stateDir: config.crio.runroot,
    crio: {
      ...store(config.crio),
      ...api(config.api),
      ...runtime(config.runtime),
      ...image(config.image),
      ...network(config.network),
    },
  });
}

function store(crio: Config["crio"]) {
  return {
    Root: crio.root,
    RunRoot: crio.runroot,
    ImageStore: crio.imagestore,
    Storage: crio.storage_driver,
    StorageOptions: crio.storage_option,
    LogDir: crio.log_dir,
    VersionFile: crio.version_file,
    VersionFilePersist: crio.version_file_persist,
    CleanShutdownFile: crio.clean_shutdown_file,
    InternalWipe: crio.internal_wipe,
    InternalRepair: crio.internal_repair,
  };
}

function api(api: Config["api"]) {
  return {
    Listen: api.listen,
    StreamAddress: api.stream_address,
    StreamPort: api.stream_port,
    StreamEnableTLS: api.stream_enable_tls,
    StreamIdleTimeout: api.stream_idle_timeout,
    GRPCMaxSendMsgSize: api.grpc_max_send_msg_size,
    GRPCMaxRecvMsgSize: api.grpc_max_recv_msg_size,
  };
}

function runtime(runtime: Config["runtime"]) {
  const handlers = Object.entries(runtime.runtimes);
  return {
    DefaultRuntime: runtime.default_runtime,
    Runtimes: Object.fromEntries(
      handlers.map(([name, handler]) => [name, runtimeHandler(handler)]),
    ),
    CgroupManagerName: runtime.cgroup_manager,
    DropInfraCtr: runtime.drop_infra_ctr,
    SELinux: runtime.selinux,
    SeccompProfile: runtime.seccomp_profile,
    ApparmorProfile: runtime.apparmor_profile,
    DefaultCapabilities: runtime.default_capabilities,
    DefaultSysctls: runtime.default_sysctls,
    DefaultUlimits: runtime.default_ulimits,
    AllowedDevices: runtime.allowed_devices,
    AdditionalDevices: runtime.additional_devices,
    CDISpecDirs: runtime.cdi_spec_dirs,
    HooksDir: runtime.hooks_dir,
    NamespacesDir: runtime.namespaces_dir,
    PinnsPath: runtime.pinns_path,
    ContainerExitsDir: runtime.container_exits_dir,
    ContainerAttachSocketDir: runtime.container_attach_socket_dir,
    PidsLimit: runtime.pids_limit,
    LogSizeMax: runtime.log_size_max,
    LogLevel: runtime.log_level,
    CtrStopTimeout: runtime.ctr_stop_timeout,
    EnablePodEvents: runtime.enable_pod_events,
    ReadOnly: runtime.read_only,
  };
}

function runtimeHandler(handler: RuntimeHandlerConfig) {
  return {
    RuntimePath: handler.runtime_path,
    RuntimeType: handler.runtime_type,
    RuntimeRoot: handler.runtime_root,
    RuntimeConfigPath: handler.runtime_config_path,
    PrivilegedWithoutHostDevices: handler.privileged_without_host_devices,
    AllowedAnnotations: handler.allowed_annotations,
    DefaultAnnotations: handler.default_annotations,
    MonitorPath: handler.monitor_path,
    MonitorCgroup: handler.monitor_cgroup,
    ContainerMinMemory: handler.container_min_memory,
    ContainerCreateTimeout: handler.container_create_timeout,
    NoSyncLog: handler.no_sync_log,
  };
}

function image(image: Config["image"]) {
  return {
    DefaultTransport: image.default_transport,
    PauseImage: image.pause_image,
    PauseCommand: image.pause_command,
    PinnedImages: image.pinned_images,
    SignaturePolicyPath: image.signature_policy,
    SignaturePolicyDir: image.signature_policy_dir,
    InsecureRegistries: image.insecure_registries,
    ImageVolumes: image.image_volumes,
  };
}

function network(network: Config["network"]) {
  return {
    CNIDefaultNetwork: network.cni_default_network,
    NetworkDir: network.network_dir,
    PluginDirs: network.plugin_dirs,
  };
}
