#!/bin/sh
# Runs /job/run of the second disk, streams what it prints to the host, leaves its exit code on the
# disk and powers off. Exit code 194 means: reboot, and run it again.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root
export PATH HOME

exec >/dev/virtio-ports/job 2>&1
mkdir -p /job
if mount /dev/vdb /job; then
    cd /job || exit 1
    ./run
    code=$?
else
    code=125
fi
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
umount /job || { mount -o remount,ro /job; sync; }
systemctl --no-block poweroff --force
