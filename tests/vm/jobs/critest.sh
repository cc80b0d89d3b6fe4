# critest against the installed service. FOCUS and SKIP are regular expressions over names of specs;
# MANAGERS and RUNTIMES name more than one cgroup driver and runtime, each with each.
set -eu
. /job/jobs/node.sh

# run_critest NAME: its report becomes critest-NAME.json.
run_critest() {
    mkdir -p "/job/results" "/var/tmp/critest-$1"
    cd "/var/tmp/critest-$1"
    set -- "$1" "-runtime-endpoint=unix:///var/run/crio/crio.sock" \
        "-runtime-service-timeout=${RPC_TIMEOUT:-180s}" \
        -ginkgo.json-report=critest-report.json -ginkgo.timeout=6h -ginkgo.v -ginkgo.no-color \
        "-ginkgo.skip=public image with digest"
    # One at a time is no number that it takes.
    [ "${PARALLEL:-1}" = 1 ] || set -- "$@" "-parallel=$PARALLEL"
    [ -z "${FOCUS:-}" ] || set -- "$@" "-ginkgo.focus=$FOCUS"
    [ -z "${SKIP:-}" ] || set -- "$@" "-ginkgo.skip=$SKIP"
    name=$1
    shift
    # It fails for any spec; the host judges the report.
    TMPDIR=$PWD critest "$@" || true
    find "$PWD" -name critest-report.json -exec cp {} "/job/results/critest-$name.json" \;
    [ -s "/job/results/critest-$name.json" ] || fail "critest wrote no report"
    journalctl --no-pager -b -u crid.service >"/job/results/crid-$name.log"
}

start_registry
for MANAGER in ${MANAGERS:-$MANAGER}; do
    for RUNTIME in ${RUNTIMES:-$RUNTIME}; do
        echo "-- critest with $RUNTIME and the $MANAGER driver"
        rm -f /etc/crio/crio.conf
        install_crid
        systemctl restart crid || fail "systemctl restart crid"
        run_critest "$MANAGER-$RUNTIME"
    done
done
finish
