# What systemd is told of the service and what it does then: ready, reload, crashes, the watchdog.
# Containers go on running whatever becomes of crid.
set -eu
. /job/jobs/node.sh

start_registry
install_crid
# The watchdog keeps the unit's minute: in emulation an answer may take long.
printf '[Service]\nTimeoutAbortSec=10s\nRestartSec=1\nLimitCORE=0\n' \
    >/etc/systemd/system/crid.service.d/soon.conf
systemctl daemon-reload
start_crid
crictl pull $IMAGE >/dev/null || fail "pull"

service() {
    systemctl show crid -p "$1" --value
}
expect "answers as soon as systemd holds it for started" "$(curl_socket /info)" '^HTTP/1.[01] 200'
expect "says what it serves" "$(service StatusText)" 'crio\.sock'
run_container watched '{}' "while :; do date; sleep 1; done" || fail "run"
same="CONTAINER_RUNNING $pid"

# Reloads: a level of the log that changes, and a file that is broken.
printf '[crio.runtime]\nlog_level = "info"\n' >/etc/crio/crio.conf.d/60-reload.conf
systemctl reload crid || fail "reload"
until_true 60 sh -c "journalctl -b -u crid | grep -q 'Configuration reload completed'" || fail "reload"
until_true 60 systemctl is-active crid || fail "not serving again after the reload"
ok "is active after a reload"
echo 'log_level = ' >/etc/crio/crio.conf.d/60-reload.conf
systemctl reload crid || true
until_true 60 sh -c "systemctl show crid -p StatusText | grep -q reload" || fail "not told of the failed reload"
expect "tells systemctl status of a reload that has failed" "$(service StatusText)" '60-reload.conf'
expect "goes on serving with what it had" "$(service ActiveState) $(status '{{.status.state}}')" \
    '^active CONTAINER_RUNNING$'
rm /etc/crio/crio.conf.d/60-reload.conf
systemctl reload crid || fail "reload again"
until_true 60 sh -c "systemctl show crid -p StatusText | grep -q crio.sock" || fail "not told that all is well again"

is_another() {
    [ "$(service MainPID)" != "$1" ] && [ "$(service MainPID)" != 0 ] && systemctl is-active crid
}
# A crash.
main=$(service MainPID)
kill -9 "$main"
until_true 120 is_another "$main" || fail "not started anew after a crash"
expect "is started anew when it crashes" "$(service NRestarts)" '^1$'
expect "finds its containers again after a crash" "$(status '{{.status.state}} {{.info.pid}}')" "^$same$"

# A crid that answers nobody is killed by systemd's watchdog and started anew.
expect "lives longer than the watchdog waits" "$(sleep 75; service NRestarts)" '^1$'
main=$(service MainPID)
kill -STOP "$main"
until_true 300 is_another "$main" || fail "not started anew"
expect "is started anew when it hangs" "$(service NRestarts)" '^2$'
expect "was found out by the watchdog" "$(journalctl -b --no-pager -u crid)" 'Watchdog timeout'
expect "finds its containers again" "$(status '{{.status.state}} {{.info.pid}}')" "^$same$"
expect "kept their monitors" "$(wc -l </var/log/pods/watched/main.log)" '^[1-9][0-9]+$'
expect "executes in them" "$(crictl exec -s "$container" echo in)" '^in$'

systemctl stop crid || fail "stop"
expect "ends cleanly" "$(service Result)" '^success$'
expect "leaves containers alone when it is stopped" "$(cat "/proc/$pid/comm")" '^sh$'
start_crid
expect "finds them again when it is started" "$(status '{{.status.state}} {{.info.pid}}')" "^$same$"
remove_pod
finish
