# shellcheck shell=bash disable=SC2154,SC2317 # variables of guest.sh; upgrades calls rpm
# rpm.sh: guest.sh sources it with SANDBOXD_TEST_ALL=1, after package.sh, whose functions it uses. It installs the .rpm of an older version,
# upgrades it while a run is in progress, and removes it. Debian has rpm, but not Fedora's packages: so this tests the files and the
# scripts of the package, and not its dependencies.
rpm() { command rpm --dbpath=/tmp/rpm --force-debian --nodeps "$@"; }
traces | LC_ALL=C sort >/tmp/before

check "rpm installs the package" rpm --install packages/*0.0.1*.rpm
check "the presets of this system enable the service and the socket" systemctl is-enabled sandboxd.socket sandboxd.service
check "they start" systemctl start sandboxd.socket sandboxd.service
check "the .rpm's service is ready" ready
upgrades rpm --upgrade packages/*0.0.2*.rpm

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
