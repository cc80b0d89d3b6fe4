# What only cgroup v2 can show: limits and their changes, kills for memory, swap, the freezer,
# pressure, block I/O, pulls in cgroups of their own, and figures that agree with the kernel's files.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
cat >/etc/crio/crio.conf.d/60-unified.conf <<END
[crio.runtime]
blockio_config_file = "/run/blockio.yaml"
separate_pull_cgroup = "pod"
[crio.runtime.workloads.slow]
activation_annotation = "slow.example.com"
allowed_annotations = ["blockio.resources.beta.kubernetes.io/pod"]
[crio.stats]
included_pod_metrics = ["all"]
END
cat >/run/blockio.yaml <<END
Classes:
  slow:
    - Devices: [/dev/vdb]
      ThrottleReadBps: 1M
      ThrottleWriteIOPS: 100
END
if [ ! -e /swap ]; then
    dd if=/dev/zero of=/swap bs=1M count=128 2>/dev/null
    mkswap -q /swap
fi
swapon /swap 2>/dev/null || true
start_crid
expect "tells which driver it has" "$(curl_socket /info)" "cgroup_driver\":\"$MANAGER"

in_cgroup() {
    cat "/sys/fs/cgroup$(cgroup_of "$pid")/$1"
}
# A figure of `crictl stats`, by a filter for jq.
figure() {
    crictl stats -o json "$container" | jq -rc ".stats[0] | $1"
}
# metric NAME: values of a metric of the container that was run last, with their labels.
metric() {
    crictl metricsp -o json | jq -rc --arg id "$container" --arg name "$1" '
        .podMetrics[].containerMetrics[]? | select(.containerId == $id).metrics[]
        | select(.name == $name) | "\(.value.value) \(.labelValues | join(","))"'
}

# expect_pull WHAT CGROUP OPTION...: in a process of its own, for as long as it pulls and a while longer.
expect_pull() {
    what=$1
    cgroup=$2
    shift 2
    crictl rmi $IMAGE >/dev/null 2>&1 || true
    crictl pull "$@" $IMAGE >/dev/null || fail "pull"
    puller=$(pgrep -f 'pull-process$') || fail "no process pulls"
    expect "$what" "$(cgroup_of "$puller")" "^$cgroup/crio-pull-image-$puller$scope\$"
    until_true 60 sh -c "! kill -0 $puller" || fail "the process of pulls stays"
    until_true 10 [ ! -e "/sys/fs/cgroup$cgroup/crio-pull-image-$puller$scope" ] || fail "its cgroup stays"
}
case $MANAGER in
    systemd)
        scope=.scope all=pulls.slice all_path=/pulls.slice
        pod_parent=kubepods-pull.slice pod_path=/kubepods.slice/kubepods-pull.slice
        ;;
    *)
        scope='' all=/pulls all_path=/pulls
        pod_parent=/kubepods/pull pod_path=/kubepods/pull
        ;;
esac
jq -n --arg parent "$pod_parent" '{
    metadata: {name: "pull", namespace: "vm", uid: "pull", attempt: 0}, linux: {cgroup_parent: $parent}
}' >/run/pod-pull.json
expect_pull "pulls in the cgroup of a pod" "$pod_path" --pod-config /run/pod-pull.json
sed -i "s#^separate_pull_cgroup = .*#separate_pull_cgroup = \"$all\"#" /etc/crio/crio.conf.d/60-unified.conf
systemctl restart crid || fail "restart"
expect_pull "pulls in the cgroup that is named" "$all_path"

POD_FILTER='.annotations = {"slow.example.com": "", "blockio.resources.beta.kubernetes.io/pod": "slow"}'
run_container slow '{}' "sleep 3600" || fail "run"
unset POD_FILTER
job_disk=$(cat "/sys/class/block/$(basename "$(readlink -f /dev/vdb)")/dev")
expect "limits block I/O" "$(in_cgroup io.max)" "^$job_disk rbps=1000000 wbps=max riops=max wiops=100\$"
remove_pod

# A process of a container that eats memory: only that dies, and the container goes on.
greedy='x=$(head -c 100000000 /dev/zero | tr "\\0" a)'
run_container child '{"resources": {"memory_limit_in_bytes": 33554432}}' "sh -c '$greedy'; sleep 3600" ||
    fail "run"
until_true 60 sh -c "grep -q 'oom_kill [1-9]' /sys/fs/cgroup$(cgroup_of "$pid")/memory.events" ||
    fail "nobody was killed for memory"
expect "survives a child that is killed for memory" "$(status '{{.status.state}}')" RUNNING
expect "counts who was killed for memory" "$(metric container_oom_events_total)" '^[1-9]'
remove_pod

# Of its first process nothing is left: systemd may have removed its cgroup before anybody looks.
for name in first second third; do
    run_container "$name" '{"resources": {"memory_limit_in_bytes": 15728640}}' \
        'dd if=/dev/zero of=/dev/null bs=20M' || fail "run"
    until_true 60 is_exited || fail "not seen to exit"
    expect "is known to be killed for memory: the $name" "$(status '{{.status.reason}} {{.status.exitCode}}')" \
        '^OOMKilled 137$'
    remove_pod
done

# With memory.oom.group the kubelet wants all of it dead.
run_container group '{"resources": {"memory_limit_in_bytes": 33554432, "unified": {"memory.oom.group": "1"}}}' \
    "sh -c '$greedy'; sleep 3600" || fail "run"
until_true 60 is_exited || fail "the group was not killed"
expect "is killed as a whole with memory.oom.group" "$(status '{{.status.reason}} {{.status.exitCode}}')" '^OOMKilled 137$'
remove_pod
expect "leaves no failed scope" "$(systemctl list-units --all --no-legend 'crio-*' | wc -l)" '^0$'

# Memory and swap together are limited: what is more than memory is swap.
run_container swapping '{"resources": {"memory_limit_in_bytes": 25165824,
    "memory_swap_limit_in_bytes": 125829120}}' \
    "x=\$(head -c 35000000 /dev/zero | tr '\\0' a); echo swapped; while :; do sleep 1; done" || fail "run"
until_true 120 grep -q swapped /var/log/pods/swapping/main.log || fail "killed in spite of swap"
expect "gives the rest as swap" "$(in_cgroup memory.swap.max)" '^100663296$'
expect "swaps" "$(in_cgroup memory.swap.current)" '^[1-9][0-9]{5}'
expect "tells swap in use" "$(figure .swap.swapUsageBytes.value)" '^[1-9][0-9]{5}'
expect "has swap among the metrics" "$(metric container_memory_swap)" '^[1-9][0-9]{5}'
expect "has its limit among the metrics" "$(metric container_spec_memory_swap_limit_bytes)" '^125829120 '
remove_pod
run_container unlimited '{"resources": {"memory_limit_in_bytes": 25165824, "memory_swap_limit_in_bytes": -1}}' \
    "sleep 3600" || fail "run"
expect "leaves swap unlimited for -1" "$(in_cgroup memory.swap.max)" '^max$'
remove_pod

cpus=
! has_cpuset || cpus=1
run_container limits '{"resources": {"cpu_shares": 1024, "cpuset_cpus": "'$cpus'", "memory_limit_in_bytes": 67108864,
    "memory_swap_limit_in_bytes": 134217728, "unified": {"pids.max": "77"}}}' \
    "while :; do :; done" || fail "run"
expect "has the OOM score that was asked for, not that of the service" "$(cat "/proc/$pid/oom_score_adj")" '^0$'
! has_cpuset || expect "pins to CPUs" "$(in_cgroup cpuset.cpus)" '^1$'
expect "limits processes" "$(in_cgroup pids.max)" '^77$'
expect "keeps swap beside memory" "$(in_cgroup memory.swap.max)" '^67108864$'
crictl update --memory 100663296 --cpu-quota 20000 --cpu-period 100000 "$container" >/dev/null || fail "update"
expect "changes the memory limit" "$(in_cgroup memory.max)" '^100663296$'
expect "lets swap follow memory" "$(in_cgroup memory.swap.max)" '^0$'
expect "changes the CPU limit" "$(in_cgroup cpu.max)" '^20000 100000$'
expect "keeps what was not changed" "$(! has_cpuset || in_cgroup cpuset.cpus | tr -d '\n')$(in_cgroup pids.max)" "^${cpus}77\$"
if crictl update --memory 100000 "$container" >/dev/null 2>/run/refused; then
    fail "takes a limit below what is used"
fi
expect "refuses a limit below what is used" "$(cat /run/refused)" 'cannot decrease memory limit to 100000'
sleep 3
expect "counts CPU time" "$(figure .cpu.usageCoreNanoSeconds.value)" '^[1-9][0-9]{7}'
if has_pressure; then
    expect "knows pressure of throttled CPU" "$(figure '.cpu.psi.Some.Total // .cpu.psi.some.total')" '^"?[1-9]'
    expect "has pressure among the metrics" "$(metric container_pressure_cpu_waiting_seconds_total)" '^[0-9]'
fi
expect "counts throttling" "$(metric container_cpu_cfs_throttled_periods_total)" '^[1-9]'
expect "has the limits among the metrics" \
    "$(for name in spec_memory_limit_bytes spec_cpu_quota spec_cpu_period spec_cpu_shares threads_max; do
        metric "container_$name"
    done | sed 's/ .*//' | tr '\n' ' ')" '^100663296 20000 100000 [0-9]+ 77 $'

# Frozen, it uses no time, and is reported as running; a stop thaws it.
curl_socket "/pause/$container" >/dev/null
# The runtimes do not wait for it.
is_frozen() {
    in_cgroup cgroup.events | grep -q "^frozen $1\$"
}
until_true 10 is_frozen 1 || fail "not frozen"
ok "freezes"
before=$(in_cgroup cpu.stat | sed -n 's/^usage_usec //p')
sleep 1
expect "uses no time while it is frozen" "$(($(in_cgroup cpu.stat | sed -n 's/^usage_usec //p') - before))" '^0$'
expect "is reported as running" "$(status '{{.status.state}}')" CONTAINER_RUNNING
curl_socket "/unpause/$container" >/dev/null
until_true 10 is_frozen 0 || fail "not thawed"
ok "thaws"
curl_socket "/pause/$container" >/dev/null
crictl stop -t 1 "$container" >/dev/null || fail "stop what is frozen"
expect "is stopped although it is frozen" "$(status '{{.status.state}} {{.status.exitCode}}')" '^CONTAINER_EXITED 137$'
remove_pod

run_container killed '{}' "sleep 3600" || fail "run"
kill -9 "$pid"
until_true 20 is_exited || fail "not seen to exit"
expect "knows who was killed by others" "$(status '{{.status.reason}} {{.status.exitCode}}')" '^Error 137$'
remove_pod
swapoff /swap
finish
