#!/bin/bash
# containers.sh: runs the bundles of /payload/containers under crun, as root in the virtual machine. Their root is this machine's. doctor must
# show every required layer, or name the option that the bundle lacks. guest.sh calls it.
set -euo pipefail
fail() { echo "$*"; exit 1; }
dir=/run/containers-test
mkdir -p $dir/root
cp -a /payload/containers/. $dir
mount --bind / $dir/root
trap 'umount -l $dir/root' EXIT

for config in "$dir"/*/config.json; do
	bundle=$(dirname "$config") status=0
	name=$(basename "$bundle")
	[ "$name" != serve ] || continue
	said=$(crun run --bundle "$bundle" "test-$name" 2>&1) || status=$?
	remedy=$(cat "$bundle/remedy")
	if [ -z "$remedy" ]; then
		[ $status = 0 ] || fail "$name: doctor's status is $status: $said"
	else
		[ $status = 1 ] || fail "$name: doctor's status is $status: $said"
		[[ $said == *"$remedy"* ]] || fail "$name: doctor does not say $remedy: $said"
	fi
	echo "$name: ${remedy:-every required layer works}"
done

# The daemon divides the container's cgroup. The kernel then allows processes only in the child cgroups (cgroups(7), "no internal processes"),
# so crun must start the health check in one of them. A check before that would be a process beside the daemon, and the daemon would not start:
# Docker and Kubernetes wait before the first one.
crun run --bundle $dir/serve --pid-file $dir/pid serve >$dir/log 2>&1 &
container=$!
healthy() {
	crun exec serve /usr/bin/python3 -I -S -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8001/readyz', timeout=8)" >$dir/health 2>&1
}
for ((n = 0; ; n++)); do
	! grep -q 'msg=serving' $dir/log || ! healthy || break
	if [ $n = 120 ] || ! kill -0 $container; then fail "serve: not ready: $(cat $dir/log $dir/health)"; fi
	sleep 0.5
done
said=$(nsenter --net --target "$(cat $dir/pid)" curl -sS -m 60 -H 'Content-Type: application/json' -d '{"code":"print(6*7)"}' \
	http://127.0.0.1:8000/playground/execute)
[ "$said" = '{"stdout":"42\n","stderr":""}' ] || fail "serve: the run answers $said"
crun kill serve TERM
wait $container || fail "serve: the container's status is $?: $(cat $dir/log)"
echo "serve: a run over HTTP, a health check, a stop"
