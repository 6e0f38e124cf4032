# shellcheck shell=bash disable=SC2154 # variables of guest.sh
# package.sh: guest.sh sources it. It installs the .deb of an older version, upgrades it while a run is in progress, removes it and purges it.
# Afterwards nothing may be left.

# traces: lists the files, users and units of the machine. Excluded are files that every installation of a package changes.
traces() {
	find /etc /usr /var/lib -xdev \( -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/lib/systemd/random-seed -o -path '/var/lib/private' \) -prune \
		-o ! -path '/etc/*-' ! -path /etc/.pwd.lock -print
	find / -xdev -name '*sandboxd*' ! -path '/payload/*' ! -path '/proc/*' ! -path '/var/lib/dpkg/*' ! -path '/var/log/*' ! -path '/var/cache/*'
	find /run -name '*sandboxd*' -print
	getent passwd
	getent group
	systemctl list-unit-files --no-legend --no-pager
}
nothing_left() {
	traces | LC_ALL=C sort >/tmp/after
	diff /tmp/before /tmp/after
}
apt() { DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dir::Etc::SourceList=/dev/null -o APT::Sandbox::User=root "$@"; }
# upgrades COMMAND...: upgrades the older version by this command. That loses no run and refuses no connection.
upgrades() {
	local pid client upgrade meanwhile status
	check "it is the older version" sh -c 'sandboxd version | grep -q "^sandboxd v0.0.1 "'
	walls 5m
	check "the service restarts with another setting" systemctl restart sandboxd
	check "a run" says '"stdout":"1\n"' 'print(1)'

	pid=$(main_pid)
	execute "${until_told}print(45)" >/tmp/drained &
	client=$!
	check "a run is in progress" until_true waits 1
	"$@" >/tmp/upgrade 2>&1 &
	upgrade=$!
	check "the listener closes" until_true closed
	execute 'print(46)' >/tmp/meanwhile &
	meanwhile=$!
	check "a client connects during the upgrade" until_true connected 2
	go
	wait $upgrade
	status=$? # the substitution below sets $?
	check "the upgrade succeeds: $(tail -n 3 /tmp/upgrade | tr '\n' ' ')" test $status = 0
	wait $client $meanwhile
	check "the run in progress finished" grep -q '"stdout":"45\\n"' /tmp/drained
	check "the client that connected is answered" grep -q '"stdout":"46\\n"' /tmp/meanwhile
	check "another daemon answered it" test "$pid" != "$(main_pid)"
	check "it is the newer version" sh -c 'sandboxd version | grep -q "^sandboxd v0.0.2 "'
	check "the changed setting is kept" grep -qx 'wall: 5m' /etc/sandboxd/config.yaml
}
traces | LC_ALL=C sort >/tmp/before

older=$(find packages -name '*0.0.1*.deb') newer=$(find packages -name '*0.0.2*.deb')
check "apt installs the package" apt install "./$older"
check "the service and the socket are enabled" systemctl is-enabled sandboxd.socket sandboxd.service
check "both are active" active sandboxd.socket sandboxd.service
check "the package's service is ready" ready
profiles=/sys/kernel/security/apparmor/profiles
if [ -e /etc/apparmor.d/abi/4.0 ]; then # since Debian 13
	check "AppArmor has the profile" grep -qx 'sandboxd (unconfined)' $profiles
	check "the daemon runs under it" grep -q '^sandboxd (unconfined)' "/proc/$(main_pid)/attr/current"
fi
upgrades apt install "./$newer"

systemctl --quiet enable sandboxd-admin.socket
# Keys of the administrator stay at a removal, and go at a purge.
install -o sandboxd -g sandboxd -m 600 /dev/null /etc/sandboxd/keys
check "apt removes the package" apt remove sandboxd
check "the service has ended" sh -c '! pgrep -x sandboxd'
check "connections are refused" refused
check "the configuration stays" test -e /etc/sandboxd/config.yaml -a -e /etc/sandboxd/keys
check "apt purges the package" apt purge sandboxd
check "nothing is left" nothing_left
check "AppArmor has no profile of it" sh -c "! grep -q sandboxd $profiles"
