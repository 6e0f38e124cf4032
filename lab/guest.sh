#!/bin/bash
# guest.sh: runs as root in the virtual machine, with the payload in /payload. It installs the service as the README describes, checks
# it from outside, and runs the tests. It exits with status 0 if everything passed.
set -uo pipefail
cd /payload || exit 1
failed=()

# check NAME COMMAND...: prints one line if the command succeeds, otherwise also its output.
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
# until_true COMMAND...: repeats the command until it succeeds, for four minutes at most: apt may need two if the host is busy.
until_true() {
	local end=$((SECONDS + 240))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "still not after four minutes: $*"; return 1; }
		sleep 0.3 # each look takes processor time from the tests
	done
}

url=http://127.0.0.1:8000
ready() { curl -sSf -m 30 -o /dev/null $url/readyz; }
refused() { curl -s -o /dev/null $url/; [ $? = 7 ]; }
execute() { curl -sS -m 300 -H 'Content-Type: application/json' -d "{\"code\":\"$1\"}" $url/playground/execute; }
says() { # EXPECTED CODE
	local got
	got=$(execute "$2")
	[[ $got == *"$1"* ]] || { echo "wanted $1, got $got"; return 1; }
}
closed() { journal _PID="$pid" | grep -q 'the listener is closed'; }
connected() { [ "$(awk '$3 ~ /:1F40$/ && $4 == "01"' /proc/net/tcp | wc -l)" = "$1" ]; } # clients of port 8000
walls() { # TIME: sets the wall clock of a run for the next daemon
	sed -i '/^wall:/d' /etc/sandboxd/config.yaml
	echo "wall: $1" >>/etc/sandboxd/config.yaml
}
main_pid() { systemctl show -P MainPID sandboxd; }
journal() { journalctl -u sandboxd -o cat --no-pager "$@"; }
active() { systemctl is-active --quiet "$@"; }
group=/sys/fs/cgroup/system.slice/sandboxd.service
leaves() { find $group/runs-* -mindepth 1 -type d; }
runs() { [ -n "$(leaves)" ]; }
no_runs() { [ -z "$(leaves)" ]; }
programs() { find $group/runs-* -name cgroup.procs -exec cat {} +; }
# A program that begins with until_told waits for SIGUSR1, which `go` sends. told finds such programs by their signal handler.
until_told='import signal, time\ntold = []\nsignal.signal(signal.SIGUSR1, lambda *_: told.append(1))\nwhile not told: time.sleep(0.1)\n'
told() {
	local p
	for p in $(programs); do
		! grep -qs '^SigCgt:.*[2367abef]..$' "/proc/$p/status" || echo "$p"
	done
}
waits() { [ "$(told | wc -l)" = "$1" ]; } # NUMBER of programs
go() { told | xargs kill -USR1; }

echo "=== Debian $(cat /etc/debian_version), Linux $(uname -r), $(systemctl --version | head -n 1), $(python3 --version)"
# With the default setting this small machine refuses to allocate 10 GB (MemoryError). The cgroup should kill the program instead.
sysctl -q vm.overcommit_memory=1

# The package first: it leaves nothing behind. A Debian that was only unpacked has no database of packages to install it.
if [ -d packages ]; then
	begin=$SECONDS
	# shellcheck disable=SC1091 # make lint checks package.sh as a file of its own
	. lab/package.sh
	# shellcheck disable=SC1091 # likewise
	[ -z "$(find packages -name '*.rpm')" ] || . lab/rpm.sh
	echo "=== package: $((SECONDS - begin)) s"
fi

cp -a install/. /
walls 60s # some checks wait for programs, and the processor is emulated
echo 'prepare-fonts: false' >>/etc/sandboxd/config.yaml # saves a second at each of the many starts
check "sysusers makes the user" systemd-sysusers
check "tmpfiles makes the root directory" systemd-tmpfiles --create sandboxd.conf
units=/usr/local/lib/systemd/system
verify() { # systemd-analyze exits with status 0 even if it prints warnings
	local said
	said=$(systemd-analyze verify $units/sandboxd{,-admin}.socket $units/sandboxd.service 2>&1)
	[ -z "$said" ] || { echo "$said"; return 1; }
}
check "systemd-analyze verify" verify
systemctl daemon-reload
check "the service starts" systemctl start sandboxd
journal
[ ${#failed[@]} = 0 ] || { echo "=== nothing to test"; exit 1; }
# Tests that root runs are not in a separate cgroup. Tests that the user runs are in one like the service's, with the options of the unit.
mapfile -t options < <(sed -n '/^\[Service\]/,/^\[Install\]/p' $units/sandboxd.service |
	grep -E '^[A-Z][A-Za-z]*=' | grep -vE '^(Type|ExecStart|Restart|RestartSec|TimeoutStopSec)=')
environment=(SANDBOXD_TEST_STRICT=1 SANDBOXD_TEST_LAB=1 SANDBOXD_PROMETHEUS_DIR=/payload/prometheus "$(cat tests/environment)")
as_root() { env -C "$1" "${environment[@]}" "${@:2}"; }
# Moves the test into the subgroup that the daemon would use. The test and the daemons that it starts share it, and each divides the
# cgroup above.
# shellcheck disable=SC2016 # the inner shell expands it
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
# Prints the output of tests that failed, were skipped or did not end. Of tests that passed it prints only those that took long.
# shellcheck disable=SC2016 # for awk
results='/^=== (RUN|PAUSE|CONT|NAME)|^PASS$/ { next }
	/^--- PASS.*\([0-9][0-9]+\./ { print }
	/^ *--- PASS/ { said = ""; next }
	{ said = said $0 "\n" }
	/^ *--- (FAIL|SKIP)/ { printf "%s", said; fflush(); said = "" }
	END { printf "%s", said }'
run_tests() { # WHO DIRECTORY PATTERN FLAG...
	local who=$1 directory=$2 begin=$SECONDS result=ok
	# There is no browser here. The tests of the tests' own programs run elsewhere.
	"as_$who" "/payload/$directory" "/payload/tests/$(basename "$directory").test" -test.v -test.timeout=7200s \
		-test.run="$3" -test.skip='InABrowser$|AreCorrectPython$|^TestAttacksGet|^TestNeighbours' "${@:4}" 2>&1 | awk "$results"
	[ "${PIPESTATUS[0]}" = 0 ] || { result=FAIL; echo "$directory ($who)" >>/tmp/tests-failed; }
	printf '%s\tgithub.com/sandboxd/sandboxd/%s\t%s.0s (lab, %s)\n' \
		$result "$directory" $((SECONDS - begin)) "$who"
}
# tests: runs the tests that its standard input lists. Attacks on a jail without its layers, and beside neighbours, need too many jails for
# this machine; they run on the host.
tests() {
	local directory who pattern flags
	while read -r directory who pattern; do
		flags=()
		[[ $directory != internal/scan ]] || flags=(-test.short) # the result does not depend on the machine
		run_tests "$who" "$directory" "$pattern" "${flags[@]}" </dev/null
	done
}

# There are two processors. On one, the tests of all packages except the daemon's run in the background. On the other, this script checks
# the service, and then runs the tests of the daemon's package (cmd/sandboxd). At the end it prints the output of the background.
: >/tmp/tests-failed
grep -v '^cmd/' tests/list | tests >/tmp/tests 2>&1 &
tests=$!

check "ready" ready
status() { systemctl show -P StatusText sandboxd | grep -qx "$1"; }
check "the status shows the address" status "Serving $url, isolation required"
check "a run" says '{"stdout":"Hello, World!\n","stderr":""}' "print('Hello, World!')"
[ ! -d /usr/lib/python3/dist-packages/numpy ] || check "numpy" says '"stdout":"6\n"' 'import numpy; print(numpy.arange(4).sum())'
denied() {
	execute 'import fcntl; fcntl.fcntl(0, fcntl.F_NOTIFY, 0)'
	curl -sSf $url/metrics >/tmp/metrics && grep '^sandboxd_seccomp_denials_total{syscall="fcntl"} 1$' /tmp/metrics
}
check "a denied system call is counted by name" denied
check "runs have no inode in common" sh -c "curl -sS $url/healthz | grep -q '\"own-inodes\":\"enforced\"'"
check "the daemon is not root" test "$(stat -c %U "/proc/$(main_pid)")" = sandboxd
check "a run leaves no leaf" until_true no_runs

# The daemon has no network, and of the host's files it sees only those that the unit names.
pid=$(main_pid)
lonely() { [ "$(tail -n +3 "/proc/$pid/net/dev" | cut -d: -f1 | tr -d ' ')" = lo ]; }
check "the daemon has only a loopback" lonely
sees() { # DIRECTORY NAME...
	local got
		# The tests that run at the same time have a mount point for their payload in the same root.
	got=$(find "/proc/$pid/root$1" -mindepth 1 -maxdepth 1 ! -name payload -printf '%f\n' | LC_ALL=C sort | tr '\n' ' ')
	[ "$got" = "${*:2} " ] || { echo "$1 has $got"; return 1; }
}
# shellcheck disable=SC2046 # no word if there is no such directory, as on arm64
check "the daemon has its own root" sees / bin dev etc lib $([ ! -e /lib64 ] || echo lib64) proc root run sbin sys tmp uncovered usr var
few=()
for file in alternatives fonts ld.so.cache localtime matplotlibrc mime.types protocols sandboxd services ssl/openssl.cnf; do
	[ ! -e "/etc/$file" ] || few+=("${file%/*}") # those of the unit that this system has
done
check "the daemon sees little of /etc" sees /etc "${few[@]}"
check "the daemon sees nothing of /var" sees /var tmp
there() { nsenter --target "$pid" --mount "$@"; }
read_only() { : >>"$1" && ! there sh -c ": >>$1"; } # writable here, but not there
check "the daemon cannot reach the uncovered /proc" \
	there setpriv --reuid="$(id -u sandboxd)" --regid="$(id -g sandboxd)" --clear-groups sh -c '! ls /uncovered 2>/dev/null'
for file in /sys/fs/cgroup/system.slice/cgroup.procs /proc/sys/kernel/core_pattern /sys/kernel/rcu_expedited /usr/bin/env; do
	check "$file is read-only, even for root" read_only $file
done

# exposure UNIT: the exposure that systemd computes, from 0 to 10. docs/operations.md explains the settings that count.
exposure() { systemd-analyze security --no-pager "$1" | tail -n 1; }
exposed() { # MOST UNIT
	local score
	score=$(exposure "$2" | grep -oE '[0-9]+\.[0-9]+')
	awk "BEGIN { exit !(${score:-10} <= $1) }" || { echo "it is ${score:-unknown}"; return 1; }
}
exposure sandboxd
check "the exposure is at most 1.8" exposed 1.8 sandboxd
remains=$(systemd-analyze security --no-pager sandboxd | awk '$1 == "✗" { sub("~.*", "", $2); print $2 }' | sort -u)
explained() {
	local setting missing=0
	[ -n "$remains" ] || return 1
	for setting in $remains; do grep -q "^| \`$setting" docs/operations.md || { echo "$setting"; missing=1; }; done
	return $missing
}
check "docs/operations.md explains all settings that count" explained

# A run that asks for too much memory is killed. systemd must not end the service because of it.
pid=$(main_pid)
check "a run out of memory" says '"stdout":""' 'b = bytearray(10**10)'
check "a run that allocates memory in small steps" says '"stdout":""' 'b = []\nwhile True: b.append(bytearray(10**6))'
check "the same daemon still serves" test "$pid" = "$(main_pid)"

# SIGTERM lets a run finish. If the socket is stopped too, nothing starts the service again.
execute "${until_told}print(42)" >/tmp/drained &
client=$!
check "a run is in progress" until_true waits 1
systemctl stop sandboxd.socket sandboxd &
stop=$!
check "the listener closes" until_true closed
go
wait $stop
check "the service stops in time" test $? = 0
wait $client
check "the run finished before" grep -q '"stdout":"42\\n"' /tmp/drained
check "the stop was clean" test "$(systemctl show -P Result sandboxd)" = success
check "connections are refused" refused

# The socket is enough: the first request starts the daemon.
systemctl start sandboxd.socket
check "the socket alone starts no daemon" sh -c '! systemctl is-active sandboxd'
check "the first request starts it" says '"stdout":"1\n"' 'print(1)'

# A restart refuses no connection: the next daemon answers connections that arrive meanwhile.
pid=$(main_pid)
execute "${until_told}print(43)" >/tmp/drained &
client=$!
check "a run is in progress" until_true waits 1
systemctl restart sandboxd &
restart=$!
check "the listener closes" until_true closed
execute 'print(44)' >/tmp/meanwhile &
meanwhile=$!
check "a client connects meanwhile" until_true connected 2
go
wait $client $restart $meanwhile
check "the client is answered" grep -q '"stdout":"44\\n"' /tmp/meanwhile
check "the run in progress finished" grep -q '"stdout":"43\\n"' /tmp/drained
check "another daemon answered the client" test "$pid" != "$(main_pid)"
knock() { # sends one request after the other while /tmp/knock exists; each must be answered
	while [ -e /tmp/knock ]; do
		curl -sSf -m 60 -o /dev/null $url/ || return 1
		echo
	done
}
touch /tmp/knock
knock >/tmp/knocks 2>&1 &
client=$!
check "the first restart" systemctl restart sandboxd
check "the second restart" systemctl restart sandboxd
rm /tmp/knock
wait $client
knocked=$?
check "all $(wc -l </tmp/knocks) requests were answered" test $knocked = 0

# A drop-in changes the address of the socket.
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
check "the socket restarts with another address" systemctl restart sandboxd.socket
systemctl start sandboxd
check "the new address is served" curl -sSf -m 60 -o /dev/null 'http://[::1]:8001/readyz'
check "the old address is refused" refused
no_drop_in sandboxd.socket

# Two sockets, one of them for other machines, and a file of keys: see docs/callers.md. Keys apply without a restart.
keys=/etc/sandboxd/keys
install -o sandboxd -g sandboxd -m 600 /dev/null $keys
echo "keys: $keys" >>/etc/sandboxd/config.yaml
drop_in sandboxd.socket address $'[Socket]\nListenStream=\nListenStream=0.0.0.0:8000\nListenStream=/run/sandboxd.http\nSocketMode=0600'
systemctl stop sandboxd
systemctl reset-failed sandboxd.service sandboxd.socket 2>/dev/null # it fails if neither was started recently
check "the socket restarts with two addresses" systemctl restart sandboxd.socket
check "the daemon starts with keys" systemctl start sandboxd
token=$(sandboxd keys create lab --config=/etc/sandboxd/config.yaml)
answered() { # STATUS TOKEN CURL-ARGUMENT...
	local got
	got=$(curl -sS -m 60 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $2" -H 'Content-Type: application/json' \
		-d '{"code":"print(1)"}' "${@:3}" $url/playground/execute)
	[ "$got" = "$1" ] || { echo "answered with $got"; return 1; }
}
check "the key is accepted over TCP" until_true answered 200 "$token"
check "the key is accepted over the Unix socket" answered 200 "$token" --unix-socket /run/sandboxd.http
check "only root reaches the Unix socket" test "$(stat -c %a%U /run/sandboxd.http)" = 600root
check "another key is refused" answered 401 "${token}x"
check "the log names the key" until_true sh -c 'journalctl -u sandboxd -o cat --no-pager | grep -q "msg=run .*key=lab"'
check "the key is revoked" sandboxd keys revoke lab --config=/etc/sandboxd/config.yaml
check "a revoked key is refused" until_true answered 401 "$token"
check "the service still owns the file of keys" test "$(stat -c %a%U $keys)" = 600sandboxd
sed -i '/^keys:/d' /etc/sandboxd/config.yaml
rm $keys
no_drop_in sandboxd.socket
systemctl stop sandboxd
systemctl restart sandboxd.socket

# A second socket serves health and metrics, and the first one no longer does: see docs/operations.md.
admin=http://127.0.0.1:8001
status_of() { [ "$(curl -s -m 60 -o /dev/null -w '%{http_code}' "$2")" = "$1" ] || { echo "$2 is not answered with $1"; return 1; }; }
cp /etc/sandboxd/config.yaml /tmp/config.yaml
echo "admin-listen: ${admin#http://}" >>/etc/sandboxd/config.yaml
systemctl stop sandboxd.socket sandboxd
# systemd allows five starts in ten seconds.
systemctl reset-failed sandboxd.service sandboxd.socket 2>/dev/null # it fails if neither was started recently
check "the socket for health and metrics starts" systemctl start sandboxd-admin.socket
check "the daemon starts with both sockets" systemctl start sandboxd
for path in healthz readyz metrics; do
	check "/$path is on the admin socket" status_of 200 $admin/$path
	check "/$path is not on the public socket" status_of 404 $url/$path
done
check "the public socket runs programs" says '"stdout":"1\n"' 'print(1)'
check "the admin socket does not serve /" status_of 404 $admin/
check "a wrong Host header is refused" sh -c "curl -sS -H 'Host: evil.example' $url/ | grep -q 'Invalid host header'"
systemctl stop sandboxd-admin.socket sandboxd.socket sandboxd
cp /tmp/config.yaml /etc/sandboxd/config.yaml
check "the daemon starts with one socket" systemctl start sandboxd
check "the public socket serves health again" ready

# The daemon has no network, so traces leave it through a Unix socket: see docs/monitoring.md. This program stands for a collector.
cat >/tmp/collector.py <<'PYTHON'
import http.server

class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/tmp/traces", "ab") as traces:
            traces.write(self.path.encode() + b" " + body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

http.server.HTTPServer(("127.0.0.1", 4318), Collector).serve_forever()
PYTHON
/usr/bin/python3 /tmp/collector.py >/dev/null 2>&1 &
collector=$!
install -m 644 deploy/systemd/sandboxd-traces.socket deploy/systemd/sandboxd-traces.service /etc/systemd/system/
install -D -m 644 deploy/systemd/traces.conf /etc/systemd/system/sandboxd.service.d/traces.conf
check "systemd-analyze verify of the units for traces" systemd-analyze verify /etc/systemd/system/sandboxd-traces.{socket,service}
systemctl daemon-reload
check "the socket for traces starts" systemctl enable --now sandboxd-traces.socket
check "the daemon starts with the drop-in for traces" systemctl restart sandboxd
check "a program runs" says '"stdout":"1\n"' 'print(1)'
check "its trace reaches the collector" until_true grep -aq 'POST /playground/execute' /tmp/traces
check "by the path of traces" grep -aq '^/v1/traces ' /tmp/traces
check "a program does not see the socket" says '"stdout":"[]\n"' "import glob; print(glob.glob('/run/sandboxd*'))"
check "others may not connect to the socket" [ "$(stat -c '%a %U' /run/sandboxd-traces/otlp.sock)" = "600 sandboxd" ]
check "the exposure is still at most 1.8" exposed 1.8 sandboxd
systemctl --quiet disable --now sandboxd-traces.socket sandboxd-traces.service
kill $collector
rm -r /etc/systemd/system/sandboxd-traces.{socket,service} /etc/systemd/system/sandboxd.service.d
systemctl daemon-reload
systemctl reset-failed sandboxd.service sandboxd.socket 2>/dev/null # systemd allows five starts in ten seconds
systemctl restart sandboxd

# An upgrade from a version without socket activation.
mkdir -p /etc/systemd/system
grep -vE '^(Requires|PrivateNetwork)=' $units/sandboxd.service >/etc/systemd/system/sandboxd.service
systemctl stop sandboxd sandboxd.socket
systemctl daemon-reload
systemctl start sandboxd
check "a daemon with its own listener" ready
rm /etc/systemd/system/sandboxd.service
systemctl daemon-reload
check "a restart upgrades it" systemctl restart sandboxd
check "systemd holds the socket" active sandboxd.socket
check "the daemon serves" ready

# kill -9 of the daemon ends its runs, and the next daemon cleans up.
systemctl reset-failed sandboxd.service sandboxd.socket # systemd allows five starts in ten seconds
systemctl start sandboxd
execute 'import time; time.sleep(60)' >/dev/null 2>&1 &
check "a run is in progress" until_true runs
programs=$(programs)
systemctl kill --signal=KILL --kill-whom=main sandboxd
gone() { for p in $programs; do [ ! -e "/proc/$p" ] || return 1; done; }
check "no program survives kill -9 of the daemon" until_true gone
check "systemd starts another daemon" until_true ready
check "it removes the old leaves" until_true no_runs
wait $! # for the client, not for the tests

# In another slice the cgroup has another path, which a drop-in must name.
drop_in sandboxd.service lab $'[Service]\nSlice=my.slice\nReadWritePaths=+/sys/fs/cgroup/my.slice/%n'
check "the service restarts in another slice" systemctl restart sandboxd
check "its cgroup is in that slice" test -d /sys/fs/cgroup/my.slice/sandboxd.service/daemon

# The daemon fails closed: the unit does not start without its cgroup.
drop_in sandboxd.service lab $'[Service]\nDelegate=no\nRestart=no'
systemctl stop sandboxd
check "the service does not start without delegation" sh -c '! systemctl start sandboxd'
check "the log names the missing layer" sh -c 'journalctl -u sandboxd -o cat -n 20 | grep -q memory'
systemctl stop sandboxd.socket
no_drop_in sandboxd.service
systemctl reset-failed sandboxd

# With the drop-in own-uids.conf each run has its own host uid. Two runs at the same time show this from outside.
drop_in sandboxd.service own-uids "$(cat /usr/local/share/doc/sandboxd/own-uids.conf)"
# shellcheck disable=SC2016 # systemd expands it
drop_in sandboxd.service lab $'[Service]\nExecStart=\nExecStart=/usr/local/bin/sandboxd serve --isolation=required --policy=off --wall=60s'
check "the service starts with own-uids.conf" systemctl start sandboxd
check "ready" ready
check "/healthz reports own uids" sh -c "curl -sS $url/healthz | grep -q '\"host-uid\":\"enforced\"'"
check "the exposure is at most 2.4" exposed 2.4 sandboxd
exposure sandboxd
for n in 1 2; do
	execute "${until_told}print($n)" >/tmp/own-$n &
	clients[n]=$!
done
two() { [ "$(leaves | wc -l)" = 2 ] && waits 2; }
own_uids() { # two programs have different uids in the range, each the same in all four fields, and no capability
	local uids
	uids=$(for p in $(programs); do awk '$1 == "Uid:" && $2 == $3 && $3 == $4 && $4 == $5 { print $2 }' "/proc/$p/status"; done)
	[ "$(sort -u <<<"$uids" | awk '$1 >= 1900000000' | wc -l)" = 2 ] || { echo "uids $uids"; return 1; }
	for p in $(programs); do
		! grep -E '^Cap' "/proc/$p/status" | grep -vE '\s0{16}$' || return 1
	done
}
executing() { two && for p in $(told); do [[ $(readlink "/proc/$p/exe") == */python3* ]] || return 1; done; }
check "two runs are in progress" until_true executing
check "they have two host uids and no capability" own_uids
check "they have no group of the daemon" sh -c "! grep -h '^Groups:' $(programs | sed 's|.*|/proc/&/status|' | tr '\n' ' ') | grep -q '[0-9]'"
go
wait "${clients[@]}"
check "both runs end" test "$(grep -l '"stdout":"[12]' /tmp/own-? | wc -l)" = 2
# cgroup.kill does not reach a process whose first thread has exited. The daemon has another uid, but may kill the process because it owns
# the namespace. The daemon kills the run because the client closes the connection.
curl -s -m 120 -o /dev/null -H 'Content-Type: application/json' $url/playground/execute \
	-d '{"code":"import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(3600,)).start()\nctypes.CDLL(None).pthread_exit(None)"}' &
client=$!
# shellcheck disable=SC2046 # a list of words
first_thread_gone() { grep -qs '^State:.Z' $(programs | sed 's|.*|/proc/&/status|'); }
check "the program's first thread exits" until_true first_thread_gone
kill $client
check "the run is killed" until_true no_runs
systemctl stop sandboxd
no_drop_in sandboxd.service

check "doctor as the service's user" as_user / /usr/local/bin/sandboxd doctor
check "doctor as that user with own uids" as_own / /usr/local/bin/sandboxd doctor
# The cost of settings that few other machines support.
[ ! -e bin/bench ] || [ "$(cat tests/environment)" != SANDBOXD_TEST_ALL=1 ] || as_root / /payload/bin/bench -daemon /usr/local/bin/sandboxd -only settings -n 20 -out "" 2>&1 | tail -n 2
check "doctor as root" as_root / /usr/local/bin/sandboxd doctor
[ ! -d containers ] || check "containers" lab/containers.sh
echo "=== service: $SECONDS s"
tests < <(grep '^cmd/' tests/list)
echo "=== tests of the daemon: $SECONDS s"
tail -n +1 -f --pid=$tests /tmp/tests
wait $tests
echo "=== tests: $SECONDS s"

# The machine's table of open files is full (ENFILE). Root may still open files, but the daemon may not. It answers with an error, or the
# client waits to be accepted. Nothing is left of such a run.
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
check "the daemon starts again" systemctl start sandboxd
check "ready" ready
pid=$(main_pid)
check "a full table of files causes an error or a wait" full_table
check "the same daemon still serves" test "$pid" = "$(main_pid)"
check "the next run works" says '"stdout":"1\n"' 'print(1)'
check "the runs leave no leaf" until_true no_runs
systemctl stop sandboxd.socket sandboxd

# The clock of the machine jumps by a day during a run, forward and back. Limits must not depend on it. This comes last, because some tests
# notice the jump.
walls 4s
systemctl reset-failed sandboxd
check "the daemon starts with a short limit" systemctl start sandboxd
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
	check "a run ends by itself while the clock jumps by $days d" jumps $days exited 'import time; time.sleep(1)'
	check "a run is killed in time while the clock jumps by $days d" jumps $days timeout 'while True: pass'
	check "the runs leave no leaf" until_true no_runs
done
check "the daemon is ready afterwards" ready

while read -r test; do failed+=("$test"); done </tmp/tests-failed
if [ ${#failed[@]} != 0 ]; then
	echo "=== the last lines of the service's log"
	journal -n 40
	printf '=== failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "=== all passed in $SECONDS s"
