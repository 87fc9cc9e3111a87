#!/bin/sh
# In the virtual machine, as root: a user of one's own with a message bus and a systemd, as after a
# login. What is given is run by that user.
#
#     session.sh COMMAND...
set -eu
USER_ID=1000
RUNTIME=/run/user/$USER_ID
HOME=/home/tester

# What the system's systemd makes at boot; the machine has none.
mkdir -p /run/systemd/system /run/systemd/unit-root /run/systemd/inaccessible
mount -t cgroup2 none /sys/fs/cgroup
GROUP=/sys/fs/cgroup/user.slice
mkdir -p "$GROUP/session"
echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
echo "+memory +pids" >"$GROUP/cgroup.subtree_control"
chown -R "$USER_ID" "$GROUP/session"
echo $$ >"$GROUP/session/cgroup.procs"
mkdir -p "$RUNTIME" "$HOME"
chown "$USER_ID:$USER_ID" "$RUNTIME" "$HOME"
chmod 700 "$RUNTIME"
chmod 1777 /tmp
# The camera is the user's at the screen; Python may be installed in root's home.
chown "$USER_ID" /dev/video0
chmod a+rx /root

export HOME XDG_RUNTIME_DIR="$RUNTIME" DBUS_SESSION_BUS_ADDRESS="unix:path=$RUNTIME/bus"
unset XDG_CONFIG_HOME XDG_DATA_HOME
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups sh -c '
    dbus-daemon --session --address="$DBUS_SESSION_BUS_ADDRESS" --fork --nopidfile 2>/dev/null
    /usr/lib/systemd/systemd --user --log-level=err >/dev/null 2>&1 &
    until systemctl --user is-system-running >/dev/null 2>&1; do sleep 0.2; done
    exec "$@"' sh "$@"
