# Labels on a kernel that runs SELinux, with Debian's policy. crid is installed as on any node: that
# SELinux is on it finds out by itself.
set -eu
. /job/jobs/node.sh

expect "the kernel runs SELinux" "$(cat /sys/fs/selinux/enforce 2>&1)" '^[01]$'
start_registry
install_crid
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"
expect "notices that SELinux is on" "$(/job/bin/crid config 2>/dev/null | grep -w selinux)" 'selinux = true$'

PROCESS=system_u:system_r:container_t
FILE=system_u:object_r:container_file_t

# The name that Debian's policy has for runtimes.
expect "is installed as a runtime" "$(ls -Z /usr/local/bin/crid)" ':container_engine_exec_t:'

label() {
    tr -d '\0' <"/proc/$1/attr/current"
}

file_label() {
    getfattr --absolute-names --only-values -h -n security.selinux "$1" | tr -d '\0'
}

# in_container COMMAND...: its output.
in_container() {
    crictl exec --sync "$container" "$@"
}

# A volume of the node: $volume, a directory with one file.
make_volume() {
    volume=/srv/$1
    mkdir -p "$volume"
    echo "of $1" >"$volume/file"
}

# run_in_pod NAME POD CONTAINER COMMAND: as run_container; POD and CONTAINER are JSON that goes over
# the usual configurations.
run_in_pod() {
    case $MANAGER in
        systemd) parent="kubepods-$1.slice" ;;
        *) parent="/kubepods/$1" ;;
    esac
    jq -n --arg name "$1" --arg parent "$parent" --argjson more "$2" '{
        metadata: {name: $name, namespace: "vm", uid: $name, attempt: 0},
        log_directory: "/var/log/pods/\($name)", linux: {cgroup_parent: $parent}
    } * $more' >"/run/pod-$1.json"
    pod=$(crictl runp "/run/pod-$1.json") || return 1
    run_beside "$1" main "$3" "$4"
}

# run_beside NAME CONTAINER-NAME CONTAINER COMMAND: one more in the pod.
run_beside() {
    jq -n --arg image "$IMAGE" --arg name "$2" --argjson more "$3" --arg command "$4" '{
        metadata: {name: $name}, image: {image: $image}, log_path: "\($name).log",
        command: ["sh", "-c", $command]
    } * $more' >"/run/container-$1.json"
    container=$(crictl create "$pod" "/run/container-$1.json" "/run/pod-$1.json") || return 1
    crictl start "$container" >/dev/null || return 1
    pid=$(crictl inspect -o go-template --template '{{.info.pid}}' "$container")
}

# Two pods, and what is made for them.
make_volume one
mount="{\"mounts\": [{\"host_path\": \"$volume\", \"container_path\": \"/volume\", \"selinux_relabel\": true}]}"
run_in_pod one '{}' "$mount" "sleep 3600" || fail "run"
one=$pod
level=$(label "$pid" | cut -d: -f4-)
expect "gives a pod a level of its own" "$(label "$pid")" "^$PROCESS:s0:c[0-9]+,c[0-9]+$"
expect "labels a volume" "$(file_label "$volume")" "^$FILE:$level$"
expect "labels what is in it" "$(file_label "$volume/file")" "^$FILE:$level$"
root=$(in_container cat /proc/mounts)
expect "mounts the root file system with it" "$root" "^overlay / overlay .*context=.?$FILE:$level"
expect "mounts /dev/shm with it" "$root" "/dev/shm tmpfs .*context=.?$FILE:$level"
expect "mounts /dev with it" "$root" "^tmpfs /dev tmpfs .*context=.?$FILE:$level"
for name in resolv.conf hostname; do
    file=$(awk -v at="/etc/$name" '$5 == at {print $4}' "/proc/$pid/mountinfo")
    expect "labels $name" "$(file_label "/run${file#/run}")" "^$FILE:$level$"
done
expect "runs commands of exec with it" "$(in_container cat /proc/self/attr/current)" "^$PROCESS:$level$"
expect "tells it" "$(status '{{.info.runtimeSpec.process.selinuxLabel}}')" "^$PROCESS:$level$"
expect "tells it of the pod" "$(crictl inspectp "$pod")" "\"mountLabel\": \"$FILE:$level\""

run_beside one beside '{}' "sleep 3600" || fail "run"
expect "gives containers of one pod one level" "$(label "$pid")" "^$PROCESS:$level$"

make_volume two
mount="{\"mounts\": [{\"host_path\": \"$volume\", \"container_path\": \"/volume\", \"selinux_relabel\": true},
    {\"host_path\": \"/srv/one\", \"container_path\": \"/foreign\"}]}"
run_in_pod two '{}' "$mount" "
    until [ -e /volume/go ]; do sleep 0.2; done
    { cat /volume/file; cat /foreign/file; echo done; } >/volume/seen 2>&1
    sleep 3600" || fail "run"
expect "gives another pod another level" "$(label "$pid")" "^$PROCESS:s0:c[0-9]+,c[0-9]+$"
[ "$(label "$pid")" != "$PROCESS:$level" ] || fail "two pods with one level"

# What it is all for. Only for a moment: the policy does not know all that this node does.
setenforce 1
touch /srv/two/go
until_true 60 grep -q done /srv/two/seen || true
setenforce 0
expect "lets a pod use its own files" "$(cat /srv/two/seen)" '^of two$'
expect "keeps it from those of another" "$(cat /srv/two/seen)" "can't open '/foreign/file': Permission denied"
remove_pod

# A restart finds the levels that are in use.
systemctl restart crid || fail "restart"
pod=$one
run_beside one after '{}' "sleep 3600" || fail "run after a restart"
expect "knows a pod's level after a restart" "$(label "$pid")" "^$PROCESS:$level$"
remove_pod

# What clients ask for.
asked='{"linux": {"security_context": {"selinux_options": {"level": "s0:c11,c22"}}}}'
run_in_pod asked "$asked" '{}' "sleep 3600" || fail "run"
expect "takes the level of a pod" "$(label "$pid")" "^$PROCESS:s0:c11,c22$"
run_beside asked other '{"linux": {"security_context": {"selinux_options": {"level": "s0:c33"}}}}' "sleep 3600" ||
    fail "run"
expect "takes another for one container" "$(label "$pid")" "^$PROCESS:s0:c33$"
if run_beside asked wrong '{"linux": {"security_context": {"selinux_options": {"type": "none_such_t"}}}}' true \
    2>/run/refused; then
    fail "takes a type that the policy does not have"
fi
expect "refuses a type that the policy does not have" "$(cat /run/refused)" 'none_such_t.*policy of this host'
remove_pod

make_volume skipped
before=$(file_label "$volume")
mount="{\"mounts\": [{\"host_path\": \"$volume\", \"container_path\": \"/volume\", \"selinux_relabel\": true}]}"
run_in_pod super '{"linux": {"security_context": {"selinux_options": {"type": "spc_t"}}}}' "$mount" "sleep 3600" ||
    fail "run"
expect "runs a super-privileged container" "$(label "$pid")" '^system_u:system_r:spc_t:'
expect "leaves its volumes as they are" "$(file_label "$volume")" "^$before$"
remove_pod

run_in_pod privileged '{"linux": {"security_context": {"privileged": true}}}' \
    '{"linux": {"security_context": {"privileged": true}}}' "sleep 3600" || fail "run"
expect "lets a privileged container do everything" "$(label "$pid")" ':spc_t:'
remove_pod
run_in_pod host '{"linux": {"security_context": {"namespace_options": {"pid": 2}}}}' \
    '{"linux": {"security_context": {"namespace_options": {"pid": 2}}}}' "sleep 3600" || fail "run"
expect "and one that uses the host's processes" "$(label "$pid")" ':spc_t:'
remove_pod
run_in_pod shared '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}' \
    '{"linux": {"security_context": {"namespace_options": {"pid": 0}}}}' "sleep 3600" || fail "run"
infra=$(crictl inspectp -o go-template --template '{{.info.pid}}' "$pod")
expect "labels the infra process as its pod" "$(label "$infra")" "^$(label "$pid")$"
remove_pod

image="{\"mounts\": [{\"container_path\": \"/image\", \"readonly\": true, \"image\": {\"image\": \"$IMAGE\"}}]}"
run_in_pod image '{}' "$image" "sleep 3600" || fail "run"
expect "labels image volumes for everybody" "$(in_container cat /proc/mounts)" \
    ' /image overlay .*context=.?system_u:object_r:container_ro_file_t:s0'
remove_pod
dmesg | grep 'avc:  denied' >"$RESULTS/denials" || true
# But for the pod that tried to read the other's file, and crid's own null device as input of exec, for
# which the kernel gives another.
expect "lets containers do nothing that the policy forbids" \
    "$(grep 'scontext=[^ ]*:container_t:' "$RESULTS/denials" | grep -v -e 'tcontext=[^ ]*:container_file_t:' \
        -e 'path="/dev/null" .*tclass=chr_file')" '^$'
finish
