/** The variables of CRI-O's unit, which distributions set in /etc/sysconfig/crio. */
const OPTIONS = ["CONFIG", "RUNTIME", "STORAGE", "NETWORK", "METRICS"]
  .map((part) => `$CRIO_${part}_OPTIONS`).join(" ");

/**
 * The service. Its aliases let what waits for CRI-O wait for crid. Stopping it leaves containers
 * and monitors alone, wherever their cgroups are.
 *
 * @param program Absolute path of crid.
 */
export function serviceUnit(program: string): string {
  return `[Unit]
Description=crid, container runtime for Kubernetes (CRI)
Wants=network-online.target
After=network-online.target
Before=kubelet.service
RequiresMountsFor=/var/lib/containers

[Service]
Type=notify
EnvironmentFile=-/etc/sysconfig/crio
ExecStart=${program} ${OPTIONS}
ExecReload=/bin/kill -s HUP $MAINPID
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
LimitNPROC=1048576
LimitCORE=infinity
OOMScoreAdjust=-999
TimeoutStartSec=0
Restart=on-failure
RestartSec=10
WatchdogSec=60s

[Install]
WantedBy=multi-user.target
Alias=crio.service
Alias=cri-o.service
`;
}
