# crid's own integration tests, those that a real node makes a difference to. PATHS names them.
set -eu
. /job/jobs/node.sh

cd /job/source
export DENO_DIR=/var/tmp/deno DENO_NO_UPDATE_CHECK=1 NO_COLOR=1 HOME=/root
code=0
# shellcheck disable=SC2086 # a list of words
deno test -A --no-check --cached-only --junit-path="$RESULTS/integration.xml" $PATHS || code=$?
diagnose >/dev/null
exit $code
