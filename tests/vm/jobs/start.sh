# Runs the steps of /job/steps one after the other, streams what they print to the host, leaves their
# exit codes and seconds in /job/results, and powers off. Exit code 194 of a step means: reboot, and
# run it again.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME

port=/dev/virtio-ports/job
until [ -c "$port" ]; do sleep 0.1; done
exec >"$port" 2>&1
# It may be a terminal, and nobody reads on it.
export TERM=dumb SYSTEMD_PAGER= NO_COLOR=1
stty -opost 2>/dev/null <"$port" || true

run_step() {
    set -a
    . "/job/steps/$1"
    set +a
    mkdir -p "/var/tmp/$1"
    cd "/var/tmp/$1" || exit
    exec sh "/job/jobs/$JOB.sh"
}

first=yes
for step in /job/steps/*; do
    step=${step##*/}
    RESULTS=/job/results/$step
    export RESULTS
    if [ ! -e "$RESULTS/end" ]; then
        if [ ! -e "$RESULTS" ]; then
            [ "$first" = yes ] || sh /job/jobs/reset.sh
            mkdir -p "$RESULTS"
            date +%s >"$RESULTS/begin"
        fi
        echo "== $step"
        (run_step "$step")
        code=$?
        sync
        if [ "$code" = 194 ]; then
            echo "-- reboot"
            # As `systemctl reboot` does it, but for asking logind, which is not there.
            systemctl --no-block start reboot.target --job-mode=replace-irreversibly
            exit
        fi
        seconds=$(($(date +%s) - $(cat "$RESULTS/begin")))
        echo "$code $seconds" >"$RESULTS/end"
        echo "== $step: exit code $code after $seconds s"
    fi
    first=no
done
cd /
# Containers may still hold what was mounted from it.
umount /job 2>/dev/null || mount -o remount,ro /job
sync
systemctl --no-block poweroff --force
