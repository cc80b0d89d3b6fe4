# What jobs share: a registry, crid as an installed service, crictl. Sourced; runs with `set -eu`.
# MANAGER and RUNTIME come from the host, RESULTS is a directory for what it wants to see.

export PATH="/job/bin:$PATH"
export DEBIAN_FRONTEND=noninteractive

# In emulation nothing answers within crictl's usual two seconds.
crictl() {
    command crictl --timeout 300s "$@"
}

# A step that has worked; the host counts these lines.
ok() {
    echo "ok: $*"
}

fail() {
    echo "FAILED: $*"
    diagnose
    exit 1
}

# The last line of every job: what `expect` has found wrong so far makes it fail.
finish() {
    diagnose >/dev/null
    [ -z "${failed:-}" ] || fail "${failed#; }"
}

# What one wants to see of a node that has failed.
diagnose() {
    since=@$(cat "$RESULTS/begin")
    journalctl --no-pager -b --since "$since" -u crid.service >"$RESULTS/crid.log" 2>&1 || true
    journalctl --no-pager -b -n 2000 >"$RESULTS/journal.log" 2>&1 || true
    systemctl --no-pager list-units --all >"$RESULTS/units" 2>&1 || true
    tail -n 20 "$RESULTS/crid.log" | cut -c 1-300
}

# expect WHAT VALUE PATTERN: VALUE is one line or more, PATTERN a regular expression for grep -E. The
# job goes on when it does not match, and fails at its end.
expect() {
    if printf '%s\n' "$2" | grep -Eq -- "$3"; then
        ok "$1"
    else
        echo "FAILED: $1: got '$2', wanted /$3/"
        failed="${failed:-}; $1"
    fi
}

# until_true SECONDS COMMAND...: what systemd and the kernel announce to nobody.
until_true() {
    left=$(($1 * 5))
    shift
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || return 1
        sleep 0.2
    done
}

start_registry() {
    cat >/run/registry.yml <<END
version: "0.1"
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: /job/registry}, maintenance: {readonly: {enabled: true}}}
http: {addr: "127.0.0.1:5000"}
END
    OTEL_TRACES_EXPORTER=none systemd-run --quiet --unit=registry docker-registry serve /run/registry.yml
}

# Names of registries lead to ours; the file is there before crid is installed, and must stay.
write_registries() {
    mkdir -p /etc/containers
    for registry in registry.k8s.io gcr.io k8s.gcr.io docker.io; do
        printf '[[registry]]\nlocation = "%s"\n[[registry.mirror]]\nlocation = "127.0.0.1:5000"\ninsecure = true\n' \
            "$registry"
    done >/etc/containers/registries.conf
}

# install_crid: as a user would, then what only tests want.
install_crid() {
    write_registries
    /job/bin/crid --cgroup-manager="$MANAGER" --default-runtime="$RUNTIME" install </dev/null
    mkdir -p /etc/crio/crio.conf.d
    printf '[crio.runtime]\nlog_level = "debug"\n' >/etc/crio/crio.conf.d/50-test.conf
    # Optimised code pays off for nobody here: what compiles it is emulated, too.
    mkdir -p /etc/systemd/system/crid.service.d
    printf '[Service]\nEnvironment=DENO_V8_FLAGS=--no-opt,--no-maglev,--no-sparkplug\n' \
        >/etc/systemd/system/crid.service.d/emulation.conf
    systemctl daemon-reload
}

start_crid() {
    systemctl start crid || fail "systemctl start crid"
}

# What a kernel may lack.
has_pressure() {
    [ -e /proc/pressure/cpu ]
}
has_cpuset() {
    grep -qw cpuset /sys/fs/cgroup/cgroup.controllers
}

# GET over crid's socket.
curl_socket() {
    printf 'GET %s HTTP/1.0\r\nHost: crid\r\n\r\n' "$1" | socat -t 60 - UNIX-CONNECT:/var/run/crio/crio.sock
}

cgroup_of() {
    sed -n 's/^0:://p' "/proc/$1/cgroup"
}

IMAGE=registry.k8s.io/e2e-test-images/busybox:1.29-2

# run_container NAME LINUX COMMAND: a pod and a container of that name; sets pod, container, pid.
# LINUX is JSON, the container's part of that name; COMMAND goes to a shell. POD_FILTER is for jq, over
# the pod.
run_container() {
    case $MANAGER in
        systemd) parent="kubepods-$1.slice" ;;
        *) parent="/kubepods/$1" ;;
    esac
    jq -n --arg name "$1" --arg parent "$parent" '{
        metadata: {name: $name, namespace: "vm", uid: $name, attempt: 0},
        log_directory: "/var/log/pods/\($name)", linux: {cgroup_parent: $parent}
    }' | jq "${POD_FILTER:-.}" >"/run/pod-$1.json"
    jq -n --arg image "$IMAGE" --argjson linux "$2" --arg command "$3" '{
        metadata: {name: "main"}, image: {image: $image}, log_path: "main.log",
        command: ["sh", "-c", $command], linux: $linux
    }' >"/run/container-$1.json"
    pod=$(crictl runp "/run/pod-$1.json") || return 1
    container=$(crictl create "$pod" "/run/container-$1.json" "/run/pod-$1.json") || return 1
    crictl start "$container" >/dev/null || return 1
    pid=$(crictl inspect -o go-template --template '{{.info.pid}}' "$container")
}

# status TEMPLATE: of the container that was run last.
status() {
    crictl inspect -o go-template --template "$1" "$container"
}

is_exited() {
    [ "$(status '{{.status.state}}')" = CONTAINER_EXITED ]
}

remove_pod() {
    crictl stopp "$pod" >/dev/null && crictl rmp "$pod" >/dev/null || fail "remove pod $pod"
}
