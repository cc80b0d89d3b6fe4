# Runs /job/run, streams what it prints to the host, leaves its exit code on the disk and powers off.
# Exit code 194 means: reboot, and run it again.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME

port=/dev/virtio-ports/job
until [ -c "$port" ]; do sleep 0.1; done
exec >"$port" 2>&1
cd /job || exit 1
./run
code=$?
sync
if [ "$code" = 194 ]; then
    echo "-- reboot"
    # As `systemctl reboot` does it, but for asking logind, which is not there.
    systemctl --no-block start reboot.target --job-mode=replace-irreversibly
    exit
fi
echo "$code" >/job/exit
cd /
# Containers may still hold what was mounted from it.
umount /job 2>/dev/null || mount -o remount,ro /job
sync
systemctl --no-block poweroff --force
