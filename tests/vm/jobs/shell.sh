# Runs what the host has put into /job/script.
set -eu
. /job/jobs/node.sh
. /job/script
