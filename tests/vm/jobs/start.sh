# Runs the steps of /job/steps one after the other, streams what they print to the host, leaves their
# exit codes and seconds in /job/results, and powers off. Exit code 194 of a step means: reboot, and
# run it again. A step in which the kernel goes down is tried once more.
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

# begin_step ATTEMPT: on a node that no other step has used, and no attempt of before.
begin_step() {
    [ "$first$1" = yes1 ] || sh /job/jobs/reset.sh
    rm -rf "$RESULTS" "/var/tmp/$step"
    mkdir -p "$RESULTS"
    date +%s >"$RESULTS/begin"
    echo "$1" >"$RESULTS/attempt"
    sync
}

end_step() {
    seconds=$(($(date +%s) - $(cat "$RESULTS/begin")))
    echo "$1 $seconds" >"$RESULTS/end"
    echo "== $step: exit code $1 after $seconds s"
}

first=yes
for step in /job/steps/*; do
    step=${step##*/}
    RESULTS=/job/results/$step
    export RESULTS
    if [ ! -e "$RESULTS/end" ]; then
        if [ -e "$RESULTS/rebooting" ]; then
            rm "$RESULTS/rebooting"
        elif [ ! -e "$RESULTS" ]; then
            begin_step 1
        elif [ "$(cat "$RESULTS/attempt")" = 1 ]; then
            echo "-- the kernel went down: $step once more"
            begin_step 2
        else
            echo "-- the kernel went down again"
            end_step 255
            first=no
            continue
        fi
        echo "== $step"
        (run_step "$step")
        code=$?
        if [ "$code" = 194 ]; then
            echo "-- reboot"
            touch "$RESULTS/rebooting"
            sync
            # As `systemctl reboot` does it, but for asking logind, which is not there.
            systemctl --no-block start reboot.target --job-mode=replace-irreversibly
            exit
        fi
        end_step "$code"
        sync
    fi
    first=no
done
cd /
# Containers may still hold what was mounted from it.
umount /job 2>/dev/null || mount -o remount,ro /job
sync
systemctl --no-block poweroff --force
