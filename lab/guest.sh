#!/bin/bash
# What the virtual machine does, as root, with the payload in /payload: installs the service as
# the README says, looks at it from outside, and runs the tests. Status 0: all of it passed.
set -uo pipefail
cd /payload || exit 1
failed=()

# check NAME COMMAND...: one line when it succeeds, its output when it does not.
check() {
	local name=$1 said
	shift
	if said=$("$@" 2>&1); then
		echo "ok   $name"
	else
		echo "FAIL $name (status $?): $said"
		failed+=("$name")
	fi
}
# until_true COMMAND...: waits for it, a minute at most.
until_true() {
	local end=$((SECONDS + 60))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "still not after a minute: $*"; return 1; }
		sleep 0.1
	done
}

url=http://127.0.0.1:8000
ready() { curl -sSf -m 30 -o /dev/null $url/readyz; }
refused() { curl -s -o /dev/null $url/; [ $? = 7 ]; }
execute() { curl -sS -m 120 -H 'Content-Type: application/json' -d "{\"code\":\"$1\"}" $url/playground/execute; }
says() { # EXPECTED CODE
	local got
	got=$(execute "$2")
	[[ $got == *"$1"* ]] || { echo "wanted $1, got $got"; return 1; }
}
main_pid() { systemctl show -P MainPID sandboxd; }
journal() { journalctl -u sandboxd -o cat --no-pager "$@"; }
active() { systemctl is-active --quiet "$@"; }
group=/sys/fs/cgroup/system.slice/sandboxd.service
leaves() { find $group/runs-* -mindepth 1 -type d; }
runs() { [ -n "$(leaves)" ]; }
no_runs() { [ -z "$(leaves)" ]; }
programs() { find $group/runs-* -name cgroup.procs -exec cat {} +; }
# A program that begins so waits for SIGUSR1, which `go` sends. It is known by its handler.
until_told='import signal, time\ntold = []\nsignal.signal(signal.SIGUSR1, lambda *_: told.append(1))\nwhile not told: time.sleep(0.1)\n'
told() {
	local p
	for p in $(programs); do
		! grep -qs '^SigCgt:.*[2367abef]..$' "/proc/$p/status" || echo "$p"
	done
}
waits() { [ "$(told | wc -l)" = "$1" ]; } # NUMBER of programs
go() { told | xargs kill -USR1; }

echo "=== Debian $(cat /etc/debian_version), Linux $(uname -r), $(systemctl --version | head -n 1)"
# A machine this small refuses 10 GB at once all by itself (MemoryError). Let the cgroup do it.
sysctl -q vm.overcommit_memory=1
cp -a install/. /
walls() { # TIME: what the next daemon gives a run
	sed -i '/^wall:/d' /etc/sandboxd/config.yaml
	echo "wall: $1" >>/etc/sandboxd/config.yaml
}
walls 60s # programs are waited for here, and the processor is emulated
echo 'prepare-fonts: false' >>/etc/sandboxd/config.yaml # a second of work for each of its many starts
check "sysusers makes the user" systemd-sysusers
check "tmpfiles makes the root directory" systemd-tmpfiles --create sandboxd.conf
units=/usr/local/lib/systemd/system
verify() { # it warns, with status 0, of what it does not know
	local said
	said=$(systemd-analyze verify $units/sandboxd{,-admin}.socket $units/sandboxd.service 2>&1)
	[ -z "$said" ] || { echo "$said"; return 1; }
}
check "systemd-analyze verify" verify
systemctl daemon-reload
check "the service starts" systemctl start sandboxd
journal
[ ${#failed[@]} = 0 ] || { echo "=== nothing to test"; exit 1; }
# The tests that root runs are in no cgroup of their own; those of the user are in one like the
# service's, under the very options of the unit.
mapfile -t options < <(sed -n '/^\[Service\]/,/^\[Install\]/p' $units/sandboxd.service |
	grep -E '^[A-Z][A-Za-z]*=' | grep -vE '^(Type|ExecStart|Restart|RestartSec|TimeoutStopSec)=')
environment=(SANDBOXD_TEST_STRICT=1 SANDBOXD_TEST_LAB=1 SANDBOXD_PROMETHEUS_DIR=/payload/prometheus "$(cat tests/environment)")
as_root() { env -C "$1" "${environment[@]}" "${@:2}"; }
# The daemon's own place in its cgroup, taken beforehand: a test and the daemons that it starts
# share it, and each divides the cgroup above.
# shellcheck disable=SC2016 # for the shell in there
place='group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
	mkdir "$group/daemon" && echo 0 >"$group/daemon/cgroup.procs" && exec "$@"'
under_unit() { # DIRECTORY OPTION... -- COMMAND...
	local directory=$1 all=("${options[@]}" BindReadOnlyPaths=/payload Type=exec) unit=sandboxd-test-$BASHPID.service
	while shift; [ "$1" != -- ]; do all+=("$1"); done
	all=("${all[@]//%n/$unit}")
	systemd-run --quiet --wait --collect --pipe --unit=$unit "${all[@]/#/--property=}" \
		--working-directory="$directory" "${environment[@]/#/--setenv=}" bash -c "$place" place "${@:2}"
}
as_user() { under_unit "$1" -- "${@:2}"; }
mapfile -t own_uids < <(grep -E '^[A-Z]' systemd/own-uids.conf)
as_own() { under_unit "$1" "${own_uids[@]}" -- "${@:2}"; }
# What passed is not shown, unless it took long; what failed or was skipped is, with what it logged,
# and so is whatever a test said that never ended.
# shellcheck disable=SC2016 # for awk
results='/^=== (RUN|PAUSE|CONT|NAME)|^PASS$/ { next }
	/^--- PASS.*\([0-9][0-9]+\./ { print }
	/^ *--- PASS/ { said = ""; next }
	{ said = said $0 "\n" }
	/^ *--- (FAIL|SKIP)/ { printf "%s", said; fflush(); said = "" }
	END { printf "%s", said }'
run_tests() { # WHO DIRECTORY PATTERN FLAG...
	local who=$1 directory=$2 begin=$SECONDS result=ok
	# There is no browser here, and whether the tests' own programs are right is seen elsewhere.
	"as_$who" "/payload/$directory" "/payload/tests/$(basename "$directory").test" -test.v -test.timeout=2400s \
		-test.run="$3" -test.skip='InABrowser$|AreNotMistaken$|^TestAttacksGet|^TestNeighbours' "${@:4}" 2>&1 | awk "$results"
	[ "${PIPESTATUS[0]}" = 0 ] || { result=FAIL; echo "$directory ($who)" >>/tmp/tests-failed; }
	printf '%s\tgithub.com/sandboxd/sandboxd/%s\t%s.0s (lab, %s)\n' \
		$result "$directory" $((SECONDS - begin)) "$who"
}
# What lab/payload lists. Too many jails for this machine, and seen on the one that builds this:
# attacks on a jail without its layers, and next to neighbours.
tests() {
	local begin=$SECONDS directory who pattern flags
	while read -r directory who pattern; do
		flags=()
		[[ $directory != internal/scan ]] || flags=(-test.short) # no jail, no kernel: nothing new to be seen
		run_tests "$who" "$directory" "$pattern" "${flags[@]}"
	done <tests/list
	echo "=== tests: $((SECONDS - begin)) s"
}

# They need nothing of the service, and the service nothing of them: both at once, on the two processors. They are
# shown when the service has been looked at.
: >/tmp/tests-failed
tests </dev/null >/tmp/tests 2>&1 &
tests=$!

check "ready" ready
status() { systemctl show -P StatusText sandboxd | grep -qx "$1"; }
check "its status says where" status "Serving $url, isolation required"
check "a run" says '{"stdout":"Hello, World!\n","stderr":""}' "print('Hello, World!')"
check "numpy" says '"stdout":"6\n"' 'import numpy; print(numpy.arange(4).sum())'
denied() {
	execute 'import fcntl; fcntl.fcntl(0, fcntl.F_NOTIFY, 0)'
	curl -sSf $url/metrics >/tmp/metrics && grep '^sandboxd_seccomp_denials_total{syscall="fcntl"} 1$' /tmp/metrics
}
check "a denied system call is counted by its name" denied
check "no inode in common" sh -c "curl -sS $url/healthz | grep -q '\"own-inodes\":\"enforced\"'"
check "the daemon is no root" test "$(stat -c %U "/proc/$(main_pid)")" = sandboxd
check "nothing is left of a run" until_true no_runs

# What the daemon sees: no network, none of the host's files but those that it was given.
pid=$(main_pid)
lonely() { [ "$(tail -n +3 "/proc/$pid/net/dev" | cut -d: -f1 | tr -d ' ')" = lo ]; }
check "it has no network interface but a loopback" lonely
sees() { # DIRECTORY NAME...
	local got
	# The tests beside the service have the mount point of their payload in the same root.
	got=$(find "/proc/$pid/root$1" -mindepth 1 -maxdepth 1 ! -name payload -printf '%f\n' | LC_ALL=C sort | tr '\n' ' ')
	[ "$got" = "${*:2} " ] || { echo "$1 has $got"; return 1; }
}
check "a root of its own" sees / bin dev etc lib lib64 proc root run sbin sys tmp uncovered usr var
check "and little of /etc" sees /etc alternatives fonts ld.so.cache localtime matplotlibrc mime.types sandboxd
check "and nothing of /var" sees /var tmp
there() { nsenter --target "$pid" --mount "$@"; }
read_only() { : >>"$1" && ! there sh -c ": >>$1"; } # here it is not
check "what is not covered of /proc is out of its reach" \
	there setpriv --reuid="$(id -u sandboxd)" --regid="$(id -g sandboxd)" --clear-groups sh -c '! ls /uncovered 2>/dev/null'
for file in /sys/fs/cgroup/system.slice/cgroup.procs /proc/sys/kernel/core_pattern /sys/kernel/rcu_expedited /usr/bin/env; do
	check "$file is read-only, whoever the daemon is" read_only $file
done

# The exposure that systemd computes, from 0 to 10. docs/operations.md explains what remains.
exposure() { systemd-analyze security --no-pager "$1" | tail -n 1; }
exposed() { # MOST UNIT
	local score
	score=$(exposure "$2" | grep -oE '[0-9]+\.[0-9]+')
	awk "BEGIN { exit !(${score:-10} <= $1) }" || { echo "it is ${score:-not to be found}"; return 1; }
}
exposure sandboxd
check "its exposure is 1.8 at most" exposed 1.8 sandboxd
remains=$(systemd-analyze security --no-pager sandboxd | awk '$1 == "✗" { sub("~.*", "", $2); print $2 }' | sort -u)
explained() {
	local setting missing=0
	[ -n "$remains" ] || return 1
	for setting in $remains; do grep -q "^| \`$setting" docs/operations.md || { echo "$setting"; missing=1; }; done
	return $missing
}
check "docs/operations.md explains what remains of it" explained

# A run that asks for too much memory is killed; systemd must not take the service along.
pid=$(main_pid)
check "a run out of memory" says '"stdout":""' 'b = bytearray(10**10)'
check "a run that takes memory bit by bit" says '"stdout":""' 'b = []\nwhile True: b.append(bytearray(10**6))'
check "the same daemon serves on" test "$pid" = "$(main_pid)"

# SIGTERM lets a run finish. With the socket stopped too, nothing starts again.
closed() { journal _PID="$pid" | grep -q 'the listener is closed'; }
execute "${until_told}print(42)" >/tmp/drained &
client=$!
check "a run is on" until_true waits 1
systemctl stop sandboxd.socket sandboxd &
stop=$!
check "the listener closes" until_true closed
go
wait $stop
check "stops within its time" test $? = 0
wait $client
check "the run finished first" grep -q '"stdout":"42\\n"' /tmp/drained
check "and the stop was clean" test "$(systemctl show -P Result sandboxd)" = success
check "nobody listens any more" refused

# The socket alone is enough: who comes first starts the daemon.
systemctl start sandboxd.socket
check "the socket alone starts no daemon" sh -c '! systemctl is-active sandboxd'
check "the first request does" says '"stdout":"1\n"' 'print(1)'

# A restart refuses nobody: what comes meanwhile is answered by the next daemon.
pid=$(main_pid)
execute "${until_told}print(43)" >/tmp/drained &
client=$!
check "a run is on" until_true waits 1
systemctl restart sandboxd &
restart=$!
check "the listener closes" until_true closed
execute 'print(44)' >/tmp/meanwhile &
meanwhile=$!
connected() { [ "$(awk '$3 ~ /:1F40$/ && $4 == "01"' /proc/net/tcp | wc -l)" = "$1" ]; } # clients of port 8000
check "a client comes meanwhile" until_true connected 2
go
wait $client $restart $meanwhile
check "and is answered" grep -q '"stdout":"44\\n"' /tmp/meanwhile
check "the run before it finished" grep -q '"stdout":"43\\n"' /tmp/drained
check "another daemon answered" test "$pid" != "$(main_pid)"
knock() { # until there is no /tmp/knock; every request must be answered, one after the other
	while [ -e /tmp/knock ]; do
		curl -sSf -m 60 -o /dev/null $url/ || return 1
		echo
	done
}
touch /tmp/knock
knock >/tmp/knocks 2>&1 &
client=$!
check "a restart" systemctl restart sandboxd
check "and another" systemctl restart sandboxd
rm /tmp/knock
wait $client
knocked=$?
check "refused nobody of $(wc -l </tmp/knocks)" test $knocked = 0

# Another address is another socket, by a drop-in.
drop_in() { # UNIT NAME CONTENT
	mkdir -p "/run/systemd/system/$1.d"
	printf '%s\n' "$3" >"/run/systemd/system/$1.d/$2.conf"
	systemctl daemon-reload
}
no_drop_in() { # UNIT
	rm -r "/run/systemd/system/$1.d"
	systemctl daemon-reload
}
drop_in sandboxd.socket address $'[Socket]\nListenStream=\nListenStream=[::1]:8001'
check "the socket restarts elsewhere" systemctl restart sandboxd.socket
systemctl start sandboxd
check "and is served there" curl -sSf -m 60 -o /dev/null 'http://[::1]:8001/readyz'
check "and not here" refused
no_drop_in sandboxd.socket
systemctl restart sandboxd.socket

# Health and metrics on a second socket, and at the first one no longer: as docs/operations.md says.
admin=http://127.0.0.1:8001
status_of() { [ "$(curl -s -m 60 -o /dev/null -w '%{http_code}' "$2")" = "$1" ] || { echo "$2 is not answered with $1"; return 1; }; }
cp /etc/sandboxd/config.yaml /tmp/config.yaml
echo "admin-listen: ${admin#http://}" >>/etc/sandboxd/config.yaml
systemctl stop sandboxd.socket sandboxd
# Five starts in ten seconds are all that systemd grants.
systemctl reset-failed sandboxd.service sandboxd.socket 2>/dev/null # it fails where neither has been started lately
check "a socket for health and metrics" systemctl start sandboxd-admin.socket
check "is passed to the daemon" systemctl start sandboxd
for path in healthz readyz metrics; do
	check "/$path is there" status_of 200 $admin/$path
	check "and not here" status_of 404 $url/$path
done
check "a run is here" says '"stdout":"1\n"' 'print(1)'
check "and not there" status_of 404 $admin/
check "an exchanged name is none of ours" sh -c "curl -sS -H 'Host: evil.example' $url/ | grep -q 'Invalid host header'"
systemctl stop sandboxd-admin.socket sandboxd.socket sandboxd
cp /tmp/config.yaml /etc/sandboxd/config.yaml
check "back to one socket" systemctl start sandboxd
check "and health is here again" ready

# From a version that listened by itself.
mkdir -p /etc/systemd/system
grep -vE '^(Requires|PrivateNetwork)=' $units/sandboxd.service >/etc/systemd/system/sandboxd.service
systemctl stop sandboxd sandboxd.socket
systemctl daemon-reload
systemctl start sandboxd
check "a daemon that listens by itself" ready
rm /etc/systemd/system/sandboxd.service
systemctl daemon-reload
check "upgrades by a restart" systemctl restart sandboxd
check "to a socket" active sandboxd.socket
check "and serves" ready

# kill -9 to the daemon takes its runs along, and the next one cleans up.
systemctl reset-failed sandboxd.service sandboxd.socket # five starts in ten seconds are all that systemd grants
systemctl start sandboxd
execute 'import time; time.sleep(60)' >/dev/null 2>&1 &
check "a run is on" until_true runs
programs=$(programs)
systemctl kill --signal=KILL --kill-whom=main sandboxd
gone() { for p in $programs; do [ ! -e "/proc/$p" ] || return 1; done; }
check "no program survives kill -9 of the daemon" until_true gone
check "systemd starts another daemon" until_true ready
check "which has swept" until_true no_runs
wait $! # the client, and not the tests

# In another slice the cgroup is elsewhere, and a drop-in says where.
drop_in sandboxd.service lab $'[Service]\nSlice=my.slice\nReadWritePaths=+/sys/fs/cgroup/my.slice/%n'
check "restarts in a slice of its own" systemctl restart sandboxd
check "and is there" test -d /sys/fs/cgroup/my.slice/sandboxd.service/daemon

# It fails closed: without its cgroup the unit does not start.
drop_in sandboxd.service lab $'[Service]\nDelegate=no\nRestart=no'
systemctl stop sandboxd
check "without delegation it does not start" sh -c '! systemctl start sandboxd'
check "and says what is missing" sh -c 'journalctl -u sandboxd -o cat -n 20 | grep -q memory'
systemctl stop sandboxd.socket
no_drop_in sandboxd.service
systemctl reset-failed sandboxd

# With the drop-in own-uids.conf each run has a host uid of its own: seen from outside, while two
# are on.
drop_in sandboxd.service own-uids "$(cat /usr/local/share/doc/sandboxd/own-uids.conf)"
# shellcheck disable=SC2016 # for the shell in there
drop_in sandboxd.service lab $'[Service]\nExecStart=\nExecStart=/usr/local/bin/sandboxd serve --isolation=required --policy=off --wall=60s'
check "starts with own-uids.conf" systemctl start sandboxd
check "ready" ready
check "/healthz says so" sh -c "curl -sS $url/healthz | grep -q '\"host-uid\":\"enforced\"'"
check "its exposure is 2.4 at most" exposed 2.4 sandboxd
exposure sandboxd
for n in 1 2; do
	execute "${until_told}print($n)" >/tmp/own-$n &
	clients[n]=$!
done
two() { [ "$(leaves | wc -l)" = 2 ] && waits 2; }
own_uids() { # status lines of two programs: four uids each, above the range's first; no capability
	local uids
	uids=$(for p in $(programs); do awk '$1 == "Uid:" && $2 == $3 && $3 == $4 && $4 == $5 { print $2 }' "/proc/$p/status"; done)
	[ "$(sort -u <<<"$uids" | awk '$1 >= 1900000000' | wc -l)" = 2 ] || { echo "uids $uids"; return 1; }
	for p in $(programs); do
		! grep -E '^Cap' "/proc/$p/status" | grep -vE '\s0{16}$' || return 1
	done
}
executing() { two && for p in $(told); do [[ $(readlink "/proc/$p/exe") == */python3* ]] || return 1; done; }
check "two runs are on" until_true executing
check "two host uids, no capability" own_uids
check "no group of the daemon's" sh -c "! grep -h '^Groups:' $(programs | sed 's|.*|/proc/&/status|' | tr '\n' ' ') | grep -q '[0-9]'"
go
wait "${clients[@]}"
check "both end" test "$(grep -l '"stdout":"[12]' /tmp/own-? | wc -l)" = 2
# cgroup.kill does not reach a process that lost its first thread, and the daemon is another user: it may kill it
# since the namespace is its own. The client goes away, for which the daemon kills the run.
curl -s -m 120 -o /dev/null -H 'Content-Type: application/json' $url/playground/execute \
	-d '{"code":"import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\nctypes.CDLL(None).pthread_exit(None)"}' &
client=$!
# shellcheck disable=SC2046 # words
first_thread_gone() { grep -qs '^State:.Z' $(programs | sed 's|.*|/proc/&/status|'); }
check "a run loses its first thread" until_true first_thread_gone
kill $client
check "and is killed" until_true no_runs
systemctl stop sandboxd
no_drop_in sandboxd.service

check "doctor, as the service" as_user / /usr/local/bin/sandboxd doctor
check "doctor, with host uids to choose from" as_own / /usr/local/bin/sandboxd doctor
# What the settings cost that this machine has and few others do.
[ "$(cat tests/environment)" != SANDBOXD_TEST_ALL=1 ] || as_root / /payload/bin/bench -daemon /usr/local/bin/sandboxd -only settings -n 20 -out "" 2>&1 | tail -n 2
check "doctor, as root" as_root / /usr/local/bin/sandboxd doctor
echo "=== service: $SECONDS s"
tail -n +1 -f --pid=$tests /tmp/tests
wait $tests

# The machine's table of open files is full (ENFILE). Root may still open files, the daemon may not: it answers with an
# error, or the client waits to be accepted; nothing is left of such a run.
full_table() {
	local most extra status seen=
	most=$(sysctl -n fs.file-max)
	for extra in 0 8 16 32 64; do
		sysctl -q fs.file-max=$(($(cut -f1 /proc/sys/fs/file-nr) + extra))
		status=$(curl -s -m 4 -o /tmp/full -w '%{http_code}' -H 'Content-Type: application/json' \
			-d '{"code":"print(1)"}' $url/playground/execute)
		sysctl -q fs.file-max="$most"
		seen+=" $status"
		echo "$extra: $status $(cat /tmp/full)"
		[[ $status =~ ^(000|200|500|503)$ ]] || return 1
		[ "$status" != 500 ] || grep -q 'sandbox' /tmp/full || return 1
	done
	[[ $seen == *500* || $seen == *000* ]]
}
systemctl reset-failed sandboxd
check "a daemon again" systemctl start sandboxd
check "ready" ready
pid=$(main_pid)
check "a full table of files is an error, or a wait" full_table
check "the same daemon serves on" test "$pid" = "$(main_pid)"
check "a run after that" says '"stdout":"1\n"' 'print(1)'
check "nothing is left of them" until_true no_runs
systemctl stop sandboxd.socket sandboxd

# The clock of the machine jumps by a day in mid-run, ahead and back: a limit is a time that passes. Some
# tests notice when the clock jumps: so this is the last thing.
walls 4s
systemctl reset-failed sandboxd
check "a daemon with a short limit" systemctl start sandboxd
uptime() { cut -d. -f1 /proc/uptime; }
jumps() { # DAYS VERDICT CODE
	local head=/tmp/jumped begin
	begin=$(uptime)
	curl -sS -m 60 -o /dev/null -D $head -H 'Content-Type: application/json' -d "{\"code\":\"$3\"}" $url/playground/execute &
	until_true runs
	date -s "$1 days" >/dev/null
	wait $!
	date -s "$((-$1)) days" >/dev/null
	grep -i "x-sandboxd-verdict: $2" $head && [ $(($(uptime) - begin)) -lt 30 ]
}
for days in 1 -1; do
	check "a run ends by itself, the clock $days d away" jumps $days exited 'import time; time.sleep(1)'
	check "a run is killed in time, the clock $days d away" jumps $days timeout 'while True: pass'
	check "nothing is left of them" until_true no_runs
done
check "ready after that" ready

while read -r test; do failed+=("$test"); done </tmp/tests-failed
if [ ${#failed[@]} != 0 ]; then
	echo "=== the service's last words"
	journal -n 40
	printf '=== failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "=== all passed in $SECONDS s"
