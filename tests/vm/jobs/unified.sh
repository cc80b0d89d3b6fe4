# What only cgroup v2 and AppArmor can show: limits, kills for memory, figures, profiles.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"
expect "tells which driver it has" "$(curl_socket /info)" "cgroup_driver\":\"$MANAGER"

# A process of a container that eats memory: only that dies, and the container goes on.
greedy='x=$(head -c 100000000 /dev/zero | tr "\\0" a)'
run_container child '{"resources": {"memory_limit_in_bytes": 33554432}}' "sh -c '$greedy'; sleep 3600" ||
    fail "run"
until_true 60 sh -c "grep -q 'oom_kill [1-9]' /sys/fs/cgroup$(cgroup_of "$pid")/memory.events" ||
    fail "nobody was killed for memory"
expect "survives a child that is killed for memory" "$(status '{{.status.state}}')" RUNNING
remove_pod

# With memory.oom.group the kubelet wants all of it dead.
run_container group '{"resources": {"memory_limit_in_bytes": 33554432, "unified": {"memory.oom.group": "1"}}}' \
    "sh -c '$greedy'; sleep 3600" || fail "run"
until_true 60 is_exited || fail "the group was not killed"
expect "is killed as a whole with memory.oom.group" "$(status '{{.status.reason}} {{.status.exitCode}}')" '^OOMKilled 137$'
remove_pod
expect "leaves no failed scope" "$(systemctl list-units --all --no-legend 'crio-*' | wc -l)" '^0$'

run_container limits '{"resources": {"cpu_shares": 1024, "cpuset_cpus": "1", "memory_limit_in_bytes": 67108864,
    "memory_swap_limit_in_bytes": 134217728, "unified": {"pids.max": "77"}}}' \
    "while :; do :; done" || fail "run"
dir=/sys/fs/cgroup$(cgroup_of "$pid")
expect "pins to CPUs" "$(cat "$dir/cpuset.cpus")" '^1$'
expect "gives swap" "$(cat "$dir/memory.swap.max")" '^67108864$'
expect "limits processes" "$(cat "$dir/pids.max")" '^77$'
crictl update --memory 100663296 --cpu-quota 20000 --cpu-period 100000 "$container" >/dev/null || fail "update"
expect "changes the memory limit" "$(cat "$dir/memory.max")" '^100663296$'
expect "changes the CPU limit" "$(cat "$dir/cpu.max")" '^20000 100000$'
sleep 3
expect "counts CPU time" "$(crictl stats -o json "$container" | jq -r '.stats[0].cpu.usageCoreNanoSeconds.value')" '^[1-9][0-9]{7}'
expect "knows pressure of throttled CPU" \
    "$(crictl stats -o json "$container" | jq -c '.stats[0].cpu.psi // empty')" '[Ss]ome'
crictl metricsp >/run/metrics 2>/dev/null || fail "metrics"
expect "has metrics of the container" "$(grep -c container_ /run/metrics)" '^[1-9]'
kill -9 "$pid" # a busy loop obeys nobody
until_true 20 is_exited || fail "not seen to exit"
expect "knows who was killed by others" "$(status '{{.status.reason}} {{.status.exitCode}}')" '^Error 137$'
remove_pod

profile() {
    run_container "$1" "{\"security_context\": {\"apparmor\": $2}}" "sleep 3600" || return 1
    expect "$1" "$(cat "/proc/$pid/attr/current")" "$3"
    remove_pod
}
profile default-profile '{"profile_type": 0}' '^crio-default \(enforce\)$'
profile unconfined '{"profile_type": 1}' '^unconfined$'
printf 'profile mine flags=(attach_disconnected) { file, signal, capability, network, umount, }\n' | apparmor_parser -r -W
profile localhost-profile '{"profile_type": 2, "localhost_ref": "mine"}' '^mine \(enforce\)$'
if run_container refused '{"security_context": {"apparmor": {"profile_type": 2, "localhost_ref": "none"}}}' true 2>/run/refused; then
    fail "takes a profile that is not loaded"
fi
expect "refuses a profile that is not loaded" "$(cat /run/refused)" '"?none.* is not loaded'
crictl rmp --force --all >/dev/null
apparmor_parser -R /dev/stdin <<END
profile crio-default { file, }
END
profile reloaded-profile '{"profile_type": 0}' '^crio-default \(enforce\)$'

# A crid that answers nobody is killed by systemd's watchdog and started anew.
main_pid() {
    systemctl show crid -p MainPID --value
}
is_another() {
    [ "$(main_pid)" != "$stopped" ] && [ "$(main_pid)" != 0 ] && systemctl is-active crid
}
run_container watched '{}' "sleep 3600" || fail "run"
stopped=$(main_pid)
systemctl kill --kill-whom=main --signal=STOP crid
until_true 300 is_another || fail "not started anew"
expect "is started anew when it hangs" "$(systemctl show crid -p NRestarts --value)" '^1$'
expect "finds its containers again" "$(status '{{.status.state}} {{.info.pid}}')" "^CONTAINER_RUNNING $pid$"
remove_pod
finish
