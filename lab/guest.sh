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
# until_true COMMAND...: waits for it, 20 s at most.
until_true() {
	local end=$((SECONDS + 20))
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "still not after 20 s: $*"; return 1; }
		sleep 0.1
	done
}

url=http://127.0.0.1:8000
ready() { curl -sSf -o /dev/null $url/readyz; }
execute() { curl -sS -m 60 -H 'Content-Type: application/json' -d "{\"code\":\"$1\"}" $url/playground/execute; }
says() { # EXPECTED CODE
	local got
	got=$(execute "$2")
	[[ $got == *"$1"* ]] || { echo "wanted $1, got $got"; return 1; }
}
main_pid() { systemctl show -P MainPID sandboxd; }
group=/sys/fs/cgroup/system.slice/sandboxd.service
leaves() { find $group/runs-* -mindepth 1 -type d; }
runs() { [ -n "$(leaves)" ]; }
no_runs() { [ -z "$(leaves)" ]; }

echo "=== Debian $(cat /etc/debian_version), Linux $(uname -r), $(systemctl --version | head -n 1)"
# A machine this small refuses 10 GB at once all by itself (MemoryError). Let the cgroup do it.
sysctl -q vm.overcommit_memory=1
cp -a install/. /
check "sysusers makes the user" systemd-sysusers
verify() { # it warns, with status 0, of what it does not know
	local said
	said=$(systemd-analyze verify /usr/local/lib/systemd/system/sandboxd.service 2>&1)
	[ -z "$said" ] || { echo "$said"; return 1; }
}
check "systemd-analyze verify" verify
systemctl daemon-reload
check "the service starts" systemctl start sandboxd
journalctl -u sandboxd -o cat --no-pager
[ ${#failed[@]} = 0 ] || { echo "=== nothing to test"; exit 1; }
check "ready" ready
check "a run" says '{"stdout":"Hello, World!\n","stderr":""}' "print('Hello, World!')"
check "numpy" says '"stdout":"6\n"' 'import numpy; print(numpy.arange(4).sum())'
check "the daemon is no root" test "$(stat -c %U "/proc/$(main_pid)")" = sandboxd
check "nothing is left of a run" until_true no_runs
systemd-analyze security --no-pager sandboxd | tail -n 1

# A run that asks for too much memory is killed; systemd must not take the service along.
pid=$(main_pid)
check "a run out of memory" says '"stdout":""' 'b = bytearray(10**10)'
check "a run that takes memory bit by bit" says '"stdout":""' 'b = []\nwhile True: b.append(bytearray(10**6))'
check "the same daemon serves on" test "$pid" = "$(main_pid)"

# SIGTERM lets a run finish.
execute 'import time; time.sleep(2); print(42)' >/tmp/drained &
client=$!
check "a run is on" until_true runs
check "stops within its time" systemctl stop sandboxd
wait $client
check "the run finished first" grep -q '"stdout":"42\\n"' /tmp/drained
check "and the stop was clean" test "$(systemctl show -P Result sandboxd)" = success

# kill -9 to the daemon takes its runs along, and the next one cleans up.
systemctl start sandboxd
execute 'import time; time.sleep(4)' >/dev/null 2>&1 &
check "a run is on" until_true runs
programs=$(find $group/runs-* -name cgroup.procs -exec cat {} +)
systemctl kill --signal=KILL --kill-whom=main sandboxd
gone() { for p in $programs; do [ ! -e "/proc/$p" ] || return 1; done; }
check "no program survives kill -9 of the daemon" until_true gone
check "systemd starts another daemon" until_true ready
check "which has swept" until_true no_runs
wait

# The clock of the machine jumps by a day in mid-run, ahead and back: a limit is a time that passes.
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
	check "a run ends by itself, the clock $days d away" jumps $days exited 'import time; time.sleep(2)'
	check "a run is killed in time, the clock $days d away" jumps $days timeout 'while True: pass'
	check "nothing is left of them" until_true no_runs
done
check "ready after that" ready

# It fails closed: without its cgroup the unit does not start.
mkdir -p /run/systemd/system/sandboxd.service.d
printf '[Service]\nDelegate=no\nRestart=no\n' >/run/systemd/system/sandboxd.service.d/lab.conf
systemctl daemon-reload
systemctl stop sandboxd
check "without delegation it does not start" sh -c '! systemctl start sandboxd'
check "and says what is missing" sh -c 'journalctl -u sandboxd -o cat -n 20 | grep -q memory'
rm -r /run/systemd/system/sandboxd.service.d
systemctl daemon-reload
systemctl reset-failed sandboxd

# The tests that root runs are in no cgroup of their own; those of the user are in one like the
# service's, under the very options of the unit.
mapfile -t options < <(sed -n '/^\[Service\]/,/^\[Install\]/p' /usr/local/lib/systemd/system/sandboxd.service |
	grep -E '^[A-Z][A-Za-z]*=' | grep -vE '^(Type|ExecStart|Restart|RestartSec|TimeoutStopSec)=')
environment=(SANDBOXD_TEST_STRICT=1 SANDBOXD_TEST_LAB=1 SANDBOXD_PROMETHEUS_DIR=/payload/prometheus)
as_root() { env -C "$1" "${environment[@]}" "${@:2}"; }
# The daemon's own place in its cgroup, taken beforehand: a test and the daemons that it starts
# share it, and each divides the cgroup above.
# shellcheck disable=SC2016 # for the shell in there
place='group=/sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)
	mkdir "$group/daemon" && echo 0 >"$group/daemon/cgroup.procs" && exec "$@"'
as_user() {
	systemd-run --quiet --wait --collect --pipe "${options[@]/#/--property=}" --property=Type=exec \
		--working-directory="$1" "${environment[@]/#/--setenv=}" bash -c "$place" place "${@:2}"
}
# What passed is not shown; what failed or was skipped is, with what it logged, and so is
# whatever a test said that never ended.
# shellcheck disable=SC2016 # for awk
results='/^=== (RUN|PAUSE|CONT|NAME)|^PASS$/ { next }
	/^ *--- PASS/ { said = ""; next }
	{ said = said $0 "\n" }
	/^ *--- (FAIL|SKIP)/ { printf "%s", said; fflush(); said = "" }
	END { printf "%s", said }'
run_tests() { # WHO DIRECTORY FLAG...
	local who=$1 directory=$2 begin=$SECONDS result=ok
	# There is no browser here, and whether the tests' own programs are right is seen elsewhere.
	"as_$who" "/payload/$directory" "/payload/tests/$(basename "$directory").test" \
		-test.v -test.timeout=600s -test.skip='InABrowser$|AreNotMistaken$' "${@:3}" 2>&1 | awk "$results"
	[ "${PIPESTATUS[0]}" = 0 ] || { result=FAIL; failed+=("$directory ($who)"); }
	printf '%s\tgithub.com/sandboxd/sandboxd/%s\t%s.0s (lab, %s)\n' \
		$result "$directory" $((SECONDS - begin)) "$who"
}
check "doctor, as the service" as_user / /usr/local/bin/sandboxd doctor
check "doctor, as root" as_root / /usr/local/bin/sandboxd doctor
while read -r directory everybody; do
	flags=()
	[ "$directory" != internal/scan ] || flags=(-test.short) # no jail, no kernel: nothing new to be seen
	for who in $everybody; do run_tests "$who" "$directory" "${flags[@]}"; done
done <tests/list

if [ ${#failed[@]} != 0 ]; then
	echo "=== the service's last words"
	journalctl -u sandboxd -o cat --no-pager -n 40
	printf '=== failed: %s\n' "${failed[@]}"
	exit 1
fi
echo "=== all passed in $SECONDS s"
