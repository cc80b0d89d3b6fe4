# critest against the installed service. FOCUS and SKIP are regular expressions over names of specs.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
start_crid
set -- "-runtime-endpoint=unix:///var/run/crio/crio.sock" \
    "-runtime-service-timeout=${RPC_TIMEOUT:-180s}" \
    -ginkgo.json-report=critest-report.json -ginkgo.timeout=6h -ginkgo.v -ginkgo.no-color \
    "-ginkgo.skip=public image with digest"
# One at a time is no number that it takes.
[ "${PARALLEL:-1}" = 1 ] || set -- "$@" "-parallel=$PARALLEL"
[ -z "${FOCUS:-}" ] || set -- "$@" "-ginkgo.focus=$FOCUS"
[ -z "${SKIP:-}" ] || set -- "$@" "-ginkgo.skip=$SKIP"
# It fails for any spec; the host judges the report.
TMPDIR=$PWD critest "$@" || true
find "$PWD" -name critest-report.json -exec cp {} "$RESULTS/critest.json" \;
[ -s "$RESULTS/critest.json" ] || fail "critest wrote no report"
finish
