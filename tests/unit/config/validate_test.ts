import { describe, it } from "@std/testing/bdd";
import assert from "node:assert/strict";
import { assign } from "../../../src/config/assignment.ts";
import { decodeFile } from "../../../src/config/decode.ts";
import { defaultConfig, validateConfig } from "../../../src/config/mod.ts";
import { resolve } from "../../../src/config/resolve.ts";

function validate(toml: string): void {
  const defaults = defaultConfig();
  const merged = assign(defaults, decodeFile("test.conf", toml).assignments);
  validateConfig(resolve(merged, defaults).config);
}

describe("checking a configuration", () => {
  const refused: readonly (readonly [toml: string, expected: string])[] = [
    ["[crio]\nlog_dir = 'logs'", "log_dir is not an absolute path: logs"],
    ["[crio.api]\nstream_port = 'x'", "stream_port is not a port: x"],
    ["[crio.api]\nstream_port = '70000'", "stream_port is not a port: 70000"],
    ["[crio.api]\nstream_idle_timeout = 'x'", 'time: invalid duration "x"'],
    ["[crio.api]\nstream_enable_tls = true", "stream TLS cert path is empty"],
    [
      "[crio.api]\nstream_enable_tls = true\nstream_tls_cert = '/c'",
      "stream TLS key path is empty",
    ],
    ["[crio.api]\ntls_min_version = 'VersionTLS10'", "must be one of VersionTLS12, VersionTLS13"],
    [
      "[crio.runtime]\ndefault_runtime = 'x'",
      'default_runtime set to "x", but no runtime entry table [crio.runtime.runtimes.x] was found',
    ],
    ["[crio.runtime]\ndefault_ulimits = ['doesntexist=2042']", "invalid ulimit type: doesntexist"],
    [
      "[crio.runtime]\ndefault_ulimits = ['nofile=2042:42']",
      "ulimit soft limit must be less than or equal to hard limit: 2042 > 42",
    ],
    ["[crio.runtime]\ndefault_ulimits = ['nofile']", "invalid ulimit argument: nofile"],
    ["[crio.runtime]\nadditional_devices = ['/sda']", "is not a valid device"],
    ["[crio.runtime]\nadditional_devices = ['/dev/sda:/dev/x:123']", "invalid device mode: 123"],
    ["[crio.runtime]\nadditional_devices = ['/dev/sda:/dee/x:rm']", "is not a valid device"],
    ["[crio.runtime]\nadditional_devices = ['/dev/sda:/dee/x']", "is not a valid device"],
    ["[crio.runtime]\nadditional_devices = ['/dev/sda:rr']", "invalid device mode: rr"],
    ["[crio.runtime]\nlog_size_max = 3", "log size max should be negative or >= 8192"],
    ["[crio.runtime]\nlog_level = 'wrong-level'", 'not a valid logrus Level: "wrong-level"'],
    ["[crio.runtime]\nlog_filter = '('", "custom log level filter does not compile"],
    ["[crio.runtime]\ndefault_sysctls = ['a = b']", "'a = b' is invalid, extra spaces found"],
    ["[crio.runtime]\ndefault_sysctls = ['a']", "'a' is not in the form name=value"],
    [
      "[crio.runtime]\ndefault_capabilities = ['FLY']",
      "unknown capability in default_capabilities",
    ],
    ["[crio.runtime]\ncgroup_manager = 'x'", 'invalid cgroup_manager "x": must be one of systemd'],
    ["[crio.runtime]\nmin_injected_gomaxprocs = -1", "must not be negative"],
    ["[crio.runtime]\ntimezone = 'Mars/Base'", "invalid timezone"],
    ["[crio.runtime]\nshared_cpuset = '3-1'", "invalid shared_cpuset"],
    [
      "[crio.runtime]\nuid_mappings = '0:1:2'",
      "uid_mappings and gid_mappings must be set together",
    ],
    ["[crio.runtime]\nuid_mappings = '0:1'\ngid_mappings = '0:1:1'", "invalid uid_mappings"],
    ["[crio.runtime]\nadditional_artifact_stores = ['a']", "not an absolute path"],
    ["[crio.runtime]\nseparate_pull_cgroup = 'x'", "separate_pull_cgroup must be"],
    ["[crio.runtime.workloads.w]", "activation_annotation must not be empty"],
    [
      "[crio.runtime.workloads.w]\nactivation_annotation = 'a'\nresources = { cpuperiod = 5 }",
      "cpuperiod 5 must be 1000 or more",
    ],
    [
      "[crio.runtime.workloads.w]\nactivation_annotation = 'a'\n" +
      "resources = { cpuquota = 5, cpushares = 6 }",
      "cpuquota 5 must not be less than cpushares 6",
    ],
    ["[crio.image]\nimage_volumes = 'x'", "unrecognized image volume type specified"],
    ["[crio.image]\nshort_name_mode = 'x'", "invalid short_name_mode"],
    ["[crio.network]\ncni_status_grace_period = '-1s'", "must not be negative"],
    ["[crio.metrics]\nmetrics_collectors = ['x']", "invalid metrics collector: x"],
    ["[crio.stats]\nincluded_pod_metrics = ['x']", "invalid included_pod_metrics: x"],
    ["[crio.stats]\nincluded_pod_metrics = ['all', 'cpu']", '"all" must stand alone'],
    [
      "[crio.checkpoint_restore]\ncontainer_level_enabled = 'x'",
      'invalid container_level_enabled "x": must be one of none, checkpoint_only',
    ],
  ];
  for (const [toml, expected] of refused) {
    it(`refuses ${JSON.stringify(toml)}`, () => {
      assert.throws(() => validate(toml), (error: Error) => error.message.includes(expected));
    });
  }

  const accepted: readonly string[] = [
    "",
    "[crio.runtime]\ndefault_ulimits = ['nofile=1024:2048', 'core=-1:-1', 'nproc=5:-1', 'cpu=5']",
    "[crio.runtime]\nadditional_devices = ['/dev/sda:/dev/x:rwm', '/dev/fuse', '/dev/fuse:r']",
    "[crio.runtime]\ndefault_capabilities = ['CAP_NET_RAW', 'chown']",
    "[crio.runtime]\ntimezone = 'local'\nlog_size_max = 8192\nlog_filter = '(?i)pod'",
    "[crio.runtime]\ntimezone = 'Europe/Berlin'\nshared_cpuset = '0-3,8'",
    "[crio.runtime]\nuid_mappings = '0:1:2,5:6:7'\ngid_mappings = '0:1:2'",
    "[crio.metrics]\nmetrics_collectors = ['crio_operations_total', " +
    "'container_runtime_crio_default_runtime', 'container_runtime_processes_defunct']",
    "[crio.stats]\nincluded_pod_metrics = ['cpu', 'pressure']",
  ];
  for (const toml of accepted) {
    it(`accepts ${JSON.stringify(toml)}`, () => validate(toml));
  }

  it("tells all that is wrong at once, by the keys of the file", () => {
    assert.throws(
      () => validate("[crio.runtime]\nlog_size_max = 3\n[crio.image]\nimage_volumes = 'x'"),
      /crio\.runtime\.log_size_max: .*; crio\.image\.image_volumes: /,
    );
  });
});
