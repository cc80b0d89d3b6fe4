# Labels on a kernel that runs SELinux, with Debian's policy: those that a client asks for.
set -eu
. /job/jobs/node.sh

expect "the kernel runs SELinux" "$(cat /sys/fs/selinux/enforce 2>&1)" '^[01]$'
start_registry
install_crid
printf '[crio.runtime]\nselinux = true\n' >/etc/crio/crio.conf.d/60-selinux.conf
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"

label() {
    tr -d '\0' <"/proc/$1/attr/current"
}

run_container asked '{"security_context": {"selinux_options": {"level": "s0:c11,c22"}}}' "sleep 3600" ||
    fail "run"
expect "takes the level that is asked for" "$(label "$pid")" '^system_u:system_r:container_t:s0:c11,c22$'
remove_pod

run_container unlike '{"security_context": {"selinux_options": {"level": "s0:c33"}}}' "sleep 3600" ||
    fail "run"
expect "takes another level for another container" "$(label "$pid")" ':container_t:s0:c33$'
remove_pod
finish
