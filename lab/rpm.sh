# shellcheck shell=bash disable=SC2154 # variables of guest.sh
# rpm.sh: guest.sh sources it with SANDBOXD_TEST_ALL=1, after package.sh, whose functions it uses. It installs the .rpm of an older version,
# upgrades it while a run is in progress, and removes it. Debian has rpm, but not Fedora's packages: so this tests the files and the
# scripts of the package, and not its dependencies.
rpm() { command rpm --dbpath=/tmp/rpm --force-debian --nodeps "$@"; }
traces | LC_ALL=C sort >/tmp/before

check "rpm installs the package" rpm --install packages/*0.0.1*.rpm
check "the presets of this system enable the service and the socket" systemctl is-enabled sandboxd.socket sandboxd.service
check "they start" systemctl start sandboxd.socket sandboxd.service
check "the .rpm's service is ready" ready
check "it is the older version" sh -c 'sandboxd version | grep -q "^sandboxd v0.0.1 "'
walls 5m
check "the service restarts with another setting" systemctl restart sandboxd
check "a run" says '"stdout":"1\n"' 'print(1)'

pid=$(main_pid)
execute "${until_told}print(45)" >/tmp/drained &
client=$!
check "a run is in progress" until_true waits 1
rpm --upgrade packages/*0.0.2*.rpm >/tmp/upgrade 2>&1 &
upgrade=$!
check "the listener closes" until_true closed
go
wait $upgrade
check "the upgrade succeeds: $(tail -n 3 /tmp/upgrade | tr '\n' ' ')" test $? = 0
wait $client
check "the run in progress finished" grep -q '"stdout":"45\\n"' /tmp/drained
check "a run after the upgrade" says '"stdout":"46\n"' 'print(46)'
check "another daemon answered it" test "$pid" != "$(main_pid)"
check "it is the newer version" sh -c 'sandboxd version | grep -q "^sandboxd v0.0.2 "'
check "the changed setting is kept" grep -qx 'wall: 5m' /etc/sandboxd/config.yaml

check "rpm removes the package" rpm --erase sandboxd
check "the service has ended" sh -c '! pgrep -x sandboxd'
check "connections are refused" refused
check "the changed configuration is saved" test -e /etc/sandboxd/config.yaml.rpmsave -a ! -e /etc/sandboxd/config.yaml
# Fedora's rules forbid a package to remove a user, because files may still belong to it.
check "the user stays" getent passwd sandboxd
rm -r /etc/sandboxd
userdel sandboxd
# These directories belong to other packages of Fedora, which Debian lacks. rpm makes them, and leaves them.
find /usr/share/{fish,man/man5,man/man8,zsh} -depth -type d -empty -delete 2>/dev/null
check "nothing else is left" nothing_left
unset -f rpm
