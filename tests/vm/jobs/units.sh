# What systemd shows of containers, and what becomes of them when systemd or its bus are elsewhere.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"

unit() {
    systemctl show "crio-$container.scope" -p "$1" | sort | tr '\n' ' '
}
# expect_limits WHAT PATTERN: what systemd knows of them. crun before 1.9 keeps them to itself, and
# limits a cgroup below the scope, which systemd leaves alone.
expect_limits() {
    shown=$(unit MemoryMax,CPUQuotaPerSecUSec)
    case "$(cgroup_of "$pid") $shown" in
        */container\ *infinity*infinity*) ok "$1, or they are not its business" ;;
        *) expect "$1" "$shown" "$2" ;;
    esac
}
# limits: of the container that was run last, as the kernel has them.
limits() {
    cgroup=/sys/fs/cgroup$(cgroup_of "$pid")
    for file in memory.max memory.swap.max memory.low cpu.max cpu.weight cpuset.cpus pids.max; do
        [ ! -e "$cgroup/$file" ] || echo "$file=$(cat "$cgroup/$file")"
    done
}
no_unit_left() {
    [ -z "$(systemctl list-units --all --no-legend 'crio-*')" ]
}

cpus=
! has_cpuset || cpus=0-1
run_container units '{"resources": {"memory_limit_in_bytes": 67108864, "memory_swap_limit_in_bytes": 100663296,
    "cpu_quota": 50000, "cpu_period": 100000, "cpu_shares": 512, "cpuset_cpus": "'$cpus'",
    "unified": {"memory.low": "1048576"}}}' "sleep 3600" || fail "run"
expect "makes a scope in the pod's slice" "$(unit Slice,Delegate,ActiveState)" \
    '^ActiveState=active Delegate=yes Slice=kubepods-units.slice $'
expect "stops the scope before the service when the node goes down" "$(unit After)" 'crio\.service|crid\.service'
# crun before 1.9 wants it otherwise, whatever the annotation says.
[ "$RUNTIME" = crun ] ||
    expect "has it stopped with all units when the node goes down" "$(unit DefaultDependencies)" '=yes $'
expect_limits "lets systemd know the limits" '^CPUQuotaPerSecUSec=500ms MemoryMax=67108864 $'
before=$(limits)
systemctl daemon-reload
[ "$(limits)" = "$before" ] || fail "a daemon-reload changed the limits from $before to $(limits)"
ok "keeps its limits when systemd reads its units again"

crictl update --memory 134217728 --cpu-quota 20000 --cpu-period 100000 --cpu-share 256 "$container" >/dev/null ||
    fail "update"
expect "changes the limits" "$(limits | tr '\n' ' ')" '^memory.max=134217728 .* cpu.max=20000 100000 '
expect_limits "lets systemd know of the change" '^CPUQuotaPerSecUSec=200ms MemoryMax=134217728 $'
before=$(limits)
systemctl daemon-reload
[ "$(limits)" = "$before" ] || fail "a daemon-reload took the update back: from $before to $(limits)"
ok "keeps an update when systemd reads its units again"
systemctl set-property --runtime kubepods-units.slice MemoryMax=268435456
[ "$(limits)" = "$before" ] || fail "a change of the slice changed its containers: from $before to $(limits)"
ok "keeps its limits when the slice's change"
systemctl daemon-reexec
expect "is still known to a systemd that was executed anew" "$(unit ActiveState)" '^ActiveState=active $'
[ "$(limits)" = "$before" ] || fail "a daemon-reexec changed the limits from $before to $(limits)"
remove_pod
expect "leaves no unit" "$(systemctl list-units --all --no-legend 'crio-*')" '^$'

run_container swapless '{"resources": {"memory_limit_in_bytes": 67108864}}' "sleep 3600" || fail "run"
systemctl daemon-reload
expect "has no swap, whatever units systemd reads again" "$(limits)" '^memory.swap.max=0$'
remove_pod

run_container reexecuted '{}' "sleep 3600" || fail "run after systemd was executed anew"
ok "runs containers by a systemd that was executed anew"
remove_pod

# Without a process of its own, a pod is a directory that tells its figures.
run_container spoofed '{}' "sleep 3600" || fail "run"
expect "makes a directory for a pod without infra container" \
    "$(ls -d "/sys/fs/cgroup/kubepods.slice/kubepods-spoofed.slice/crio-$pod")" .
remove_pod
expect "takes it away with the pod" "$(ls -d /sys/fs/cgroup/kubepods.slice/kubepods-spoofed.slice/crio-* 2>&1)" 'No such file'

# With one, the infra container has a scope as any container has.
jq '.linux.security_context.namespace_options.pid = 0
    | .linux.overhead = {"cpu_shares": 10, "memory_limit_in_bytes": 67108864}
    | .linux.resources = {"cpu_shares": 100, "memory_limit_in_bytes": 134217728}' \
    /run/pod-units.json >/run/pod-infra.json
pod=$(crictl runp /run/pod-infra.json) || fail "run a pod with overhead and a PID namespace of its own"
expect "gives an infra container a scope" "$(systemctl show "crio-$pod.scope" -p Slice,ActiveState | sort | tr '\n' ' ')" \
    '^ActiveState=active Slice=kubepods-units.slice $'
remove_pod
until_true 20 no_unit_left || fail "units are left: $(systemctl list-units --all --no-legend 'crio-*')"

# Parents.
for parent in /kubepods/pod1 kubepods; do
    jq --arg parent "$parent" '.linux.cgroup_parent = $parent' /run/pod-units.json >/run/pod-wrong.json
    expect "refuses $parent as a parent" "$(crictl runp /run/pod-wrong.json 2>&1 || true)" \
        "did not receive slice as parent: $parent"
done
jq '.linux.cgroup_parent = "/kubepods.slice/kubepods-whole.slice"' /run/pod-units.json >/run/pod-whole.json
pod=$(crictl runp /run/pod-whole.json) || fail "takes no whole path"
expect "takes the whole path of a slice" "$(ls -d "/sys/fs/cgroup/kubepods.slice/kubepods-whole.slice/crio-$pod")" .
remove_pod

# The monitor in its pod's slice, on the CPUs of its pod's workload.
cat >/etc/crio/crio.conf.d/60-monitor.conf <<END
[crio.runtime]
conmon_cgroup = "pod"
[crio.runtime.workloads.management]
activation_annotation = "target.workload.io/management"
annotation_prefix = "resources.workload.io"
resources = {cpushares = 512, cpuset = "$(! has_cpuset || echo 1)"}
END
systemctl restart crid || fail "restart"
POD_FILTER='.annotations["target.workload.io/management"] = ""'
run_container monitored '{}' "sleep 3600" || fail "run"
unset POD_FILTER
monitor=$(cat "/run/containers/storage/overlay-containers/$container/userdata/conmon-pidfile")
expect "puts the monitor into its pod's slice" "$(cgroup_of "$monitor")" \
    "^/kubepods.slice/kubepods-monitored.slice/crio-conmon-$container.scope$"
expect "gives it the CPUs of its workload" \
    "$(systemctl show "crio-conmon-$container.scope" -p AllowedCPUs,CPUWeight | sort | tr '\n' ' ')" \
    "^AllowedCPUs=$(! has_cpuset || echo 1) CPUWeight=20 \$"
kill -9 "$monitor"
remove_pod
until_true 20 no_unit_left || fail "units are left: $(systemctl list-units --all --no-legend 'crio-*')"
rm /etc/crio/crio.conf.d/60-monitor.conf
systemctl restart crid || fail "restart"

# A bus that hangs: what needs it waits, what does not is answered, and nothing is lost.
bus=$(systemctl show dbus.service -p MainPID --value)
kill -STOP "$bus"
run_container waiting '{}' "sleep 3600" >/run/waiting.log 2>&1 &
waiting=$!
sleep 8
expect "answers while the bus hangs" "$(crictl pods -q | wc -l)" '^[0-9]+$'
kill -CONT "$bus"
wait $waiting || fail "run while the bus hung: $(cat /run/waiting.log)"
expect "has run what waited for the bus" "$(crictl ps -q | wc -l)" '^1$'
crictl rmp --force --all >/dev/null || fail "remove"

# A bus that is gone: what it is needed for fails, with a reason, and leaves nothing.
systemctl stop dbus.socket dbus.service
if run_container busless '{}' "sleep 3600" 2>/run/busless.log; then
    ok "needs no bus"
else
    expect "says what it could not do without a bus" "$(cat /run/busless.log)" '[Bb]us|systemd|sd-'
fi
systemctl start dbus.socket dbus.service
crictl rmp --force --all >/dev/null || fail "remove"
until_true 20 no_unit_left || fail "units are left: $(systemctl list-units --all --no-legend 'crio-*')"
expect "leaves no container of the runtime" "$(ls /run/"$RUNTIME" | wc -l)" '^0$'
run_container after '{}' "sleep 3600" || fail "run when the bus is back"
ok "runs containers when the bus is back"
remove_pod
finish
