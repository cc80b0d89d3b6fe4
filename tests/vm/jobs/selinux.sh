# Labels of processes, files and mounts on a kernel that runs SELinux, with Debian's policy.
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

run_container first '{}' "sleep 3600" || fail "run"
first=$(label "$pid")
expect "runs a container as container_t with categories of its own" "$first" \
    '^system_u:system_r:container_t:s0:c[0-9]+,c[0-9]+$'
level=${first##*:s0:}
expect "labels its files for it" "$(crictl exec -s "$container" ls -dZ / 2>&1)" \
    "^system_u:object_r:container_file_t:s0:$level "
first_pod=$pod

run_container second '{}' "sleep 3600" || fail "run"
expect "gives another pod other categories" "$(label "$pid" | grep -v ":$level$")" ':container_t:s0:c'
remove_pod
pod=$first_pod
remove_pod

run_container asked '{"security_context": {"selinux_options": {"level": "s0:c11,c22"}}}' "sleep 3600" ||
    fail "run"
expect "takes the level that is asked for" "$(label "$pid")" '^system_u:system_r:container_t:s0:c11,c22$'
remove_pod

run_container privileged '{"security_context": {"privileged": true}}' "sleep 3600" || fail "run"
expect "confines no privileged container" "$(label "$pid")" ':spc_t:'
remove_pod

if run_container wrong '{"security_context": {"selinux_options": {"level": "no level"}}}' true 2>/run/refused; then
    fail "takes a level that is none"
fi
ok "refuses a level that is none"
finish
