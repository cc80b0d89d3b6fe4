# critest against the installed service. FOCUS and SKIP are regular expressions over names of specs.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
start_crid
mkdir -p /job/results /var/tmp/critest
cd /var/tmp/critest
set -- "-runtime-endpoint=unix:///var/run/crio/crio.sock" "-runtime-service-timeout=${RPC_TIMEOUT:-180s}" \
    "-parallel=${PARALLEL:-1}" -ginkgo.json-report=critest-report.json -ginkgo.timeout=6h \
    -ginkgo.v -ginkgo.no-color "-ginkgo.skip=public image with digest"
[ -z "${FOCUS:-}" ] || set -- "$@" "-ginkgo.focus=$FOCUS"
[ -z "${SKIP:-}" ] || set -- "$@" "-ginkgo.skip=$SKIP"
code=0
TMPDIR=/var/tmp/critest critest "$@" || code=$?
find /var/tmp/critest -name critest-report.json -exec cp {} /job/results/ \;
diagnose >/dev/null
exit $code
