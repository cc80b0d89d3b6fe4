# Boot, install, start, a pod's whole life, restart, remove: what a first user does.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
expect "keeps configuration that is there" "$(head -n 1 /etc/containers/registries.conf)" '^\[\[registry\]\]$'
expect "writes what is missing" "$(ls /etc/crio/crio.conf /etc/crictl.yaml /etc/cni/net.d)" conflist
start_crid
expect "is ready when systemd says so" "$(systemctl is-active crid)" '^active$'
expect "answers" "$(crictl version)" 'RuntimeName: *cri-o'

crictl pull $IMAGE || fail "pull"
ok "pulls an image"
run_container smoke '{"resources": {"memory_limit_in_bytes": 67108864, "cpu_quota": 50000,
    "cpu_period": 100000, "cpu_shares": 512, "unified": {"memory.low": "1048576"}}}' \
    "echo hello from the container; trap 'exit 3' TERM; while :; do sleep 1; done" || fail "run a container"
ok "runs a container in a pod"
until_true 60 grep -q hello /var/log/pods/smoke/main.log || fail "log"
expect "logs" "$(crictl logs "$container")" '^hello from the container$'
expect "executes" "$(crictl exec -s "$container" sh -c 'echo in; exit 0')" '^in$'

case $MANAGER in
    systemd) path=/kubepods.slice/kubepods-smoke.slice ;;
    *) path=/kubepods/smoke ;;
esac
own=$(cgroup_of "$pid")
case $MANAGER in
    systemd) expect "is in a scope of its slice" "$own" "^$path/crio-$container.scope(/container)?$" ;;
    *) expect "is below its parent" "$own" "^$path/crio-$container(/container)?$" ;;
esac
dir=/sys/fs/cgroup$own
expect "limits memory" "$(cat "$dir/memory.max")" '^67108864$'
expect "limits swap to memory" "$(cat "$dir/memory.swap.max")" '^0$'
expect "limits CPU" "$(cat "$dir/cpu.max")" '^50000 100000$'
expect "weighs CPU" "$(cat "$dir/cpu.weight")" '^(20|59)$'
expect "sets what unified asks for" "$(cat "$dir/memory.low")" '^1048576$'
expect "has a cgroup namespace" "$(crictl exec -s "$container" cat /proc/1/cgroup)" '^0::/$'
expect "confines by AppArmor" "$(cat "/proc/$pid/attr/current")" '^crio-default \(enforce\)$'
expect "tells usage" "$(crictl stats -o json "$container" | jq -r '.stats[0].memory.workingSetBytes.value')" '^[1-9]'
! has_pressure ||
    expect "tells pressure" "$(crictl stats -o json "$container" | jq -c '.stats[0].cpu.psi')" 'Avg10|avg10'

monitor=$(cat "/run/containers/storage/overlay-containers/$container/userdata/conmon-pidfile")
if [ "$MANAGER" = systemd ]; then
    expect "gives the monitor a scope" "$(cgroup_of "$monitor")" "^/system.slice/crio-conmon-$container.scope$"
    expect "as CRI-O has it" "$(systemctl show "crio-conmon-$container.scope" \
        -p KillSignal,Delegate,DefaultDependencies | sort | tr '\n' ' ')" \
        '^DefaultDependencies=no Delegate=yes KillSignal=13 $'
fi

systemctl reload crid || fail "reload"
# systemd may only now hear that crid has begun.
until_true 60 systemctl is-active crid || fail "not serving again after the reload"
ok "survives a reload"
systemctl restart crid || fail "restart"
expect "leaves the container alone when crid restarts" \
    "$(status '{{.status.state}} {{.info.pid}}')" "^CONTAINER_RUNNING $pid$"
crictl stop -t 10 "$container" >/dev/null || fail "stop"
expect "stops with the program's own exit code" \
    "$(status '{{.status.exitCode}}')" '^3$'
crictl rm "$container" >/dev/null || fail "remove the container"
remove_pod
[ ! -e "$dir" ] || fail "the cgroup $dir is left"
expect "leaves no unit" "$(systemctl list-units --all --no-legend 'crio-*' | wc -l)" '^0$'
expect "leaves no interface" "$(ip -o link | grep -c veth || true)" '^0$'

systemctl stop crid || fail "systemctl stop crid"
expect "ends cleanly" "$(systemctl show crid -p Result)" '^Result=success$'
/job/bin/crid uninstall || fail "uninstall"
[ ! -e /usr/local/bin/crid ] && [ ! -e /etc/systemd/system/crid.service ] || fail "not uninstalled"
ok "uninstalls"
finish
