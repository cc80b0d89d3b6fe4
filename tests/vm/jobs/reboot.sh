# A node that reboots with pods running: nothing of the old pods is stuck, new ones work.
set -eu
. /job/jobs/node.sh

pod_json() {
    cat <<END
{"metadata": {"name": "$1", "namespace": "reboot", "uid": "$1", "attempt": $2},
 "log_directory": "/var/log/pods/reboot-$1-$2", "linux": {}}
END
}
cat >container.json <<END
{"metadata": {"name": "main"}, "image": {"image": "$IMAGE"}, "log_path": "main.log",
 "command": ["sh", "-c", "trap 'sleep 2; echo \$HOSTNAME >>/out/ended; exit' TERM; while :; do sleep 1; done"],
 "mounts": [{"container_path": "/out", "host_path": "/var/tmp/reboot"}],
 "annotations": {"io.kubernetes.pod.terminationGracePeriod": "40"}, "linux": {}}
END

start_registry
if [ ! -e rebooted ]; then
    install_crid
    systemctl enable crid
    start_crid
    crictl pull $IMAGE
    # As long as its pod wants: the scope is stopped before the service, and says so on the way out.
    mkdir -p /var/tmp/reboot
    rm -f /var/tmp/reboot/*
    for name in one two; do
        pod_json $name 0 >$name.json
        crictl run container.json $name.json >/dev/null || fail "run"
    done
    expect "runs before the reboot" "$(crictl ps -q | wc -l)" '^2$'
    touch rebooted
    exit 194
fi

[ "$MANAGER" != systemd ] ||
    expect "gives containers the time to end when the node goes down" \
        "$(wc -l </var/tmp/reboot/ended)" '^2$'
expect "comes up with the node" "$(systemctl is-active crid)" '^active$'
expect "reports the old pods as not ready, or not at all" "$(crictl pods -q --state ready | wc -l)" '^0$'
expect "has nothing running" "$(crictl ps -q | wc -l)" '^0$'
old=$(crictl ps -aq | head -n 1)
[ -z "$old" ] ||
    expect "says of an old container that it has ended" \
        "$(crictl inspect "$old" | jq -r '.status.state')" '^CONTAINER_EXITED$'
pod_json one 1 >again.json
crictl run container.json again.json >/dev/null || fail "run after the reboot"
expect "runs the pod's next attempt" "$(crictl ps -q | wc -l)" '^1$'
for pod in $(crictl pods -q); do
    crictl stopp "$pod" >/dev/null || fail "stop $pod"
    crictl rmp "$pod" >/dev/null || fail "remove $pod"
done
expect "removes all of them" "$(crictl pods -q | wc -l)$(crictl ps -aq | wc -l)" '^00$'
expect "leaves no address taken" "$(find /var/lib/cni/networks/crio -name '10.85.*' | wc -l)" '^0$'
expect "leaves no mount" "$(grep -c '/var/lib/containers/storage/overlay/.*/merged' /proc/mounts || true)" '^0$'
finish
