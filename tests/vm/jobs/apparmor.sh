# Profiles: the default one, one of the node's own, none, one that is not there.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"

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
finish
