package jail_test

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// did is the result of a program.
type did struct {
	stdout, stderr string
	status         int
}

// outsideScript runs python3 outside of a jail, as an unprivileged user without a network, with the same user name, host name,
// directories and resource limits (rlimits.go) as a run. Everything else is the host's. The script creates namespaces, so it needs root.
// Arguments: CPU time in seconds, maximum file size, directories that become read-only, the environment. Standard input is the program.
const outsideScript = `
set -e
cpu=$1 longest=$2 readonly=$3
shift 3
` + jailtest.Python + ` -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))' # SIOCSIFFLAGS: up
hostname sandbox
mount -t tmpfs -o size=8g,mode=755 none /home
mkdir -m 700 /home/sandbox
cat >/home/sandbox/main.py
printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin sandbox:x:1000:1000::/home/sandbox:/bin/sh >/home/passwd
printf '%s\n' root:x:0: nogroup:x:65534: sandbox:x:1000: >/home/group
mount --bind /home/passwd /etc/passwd
mount --bind /home/group /etc/group
printf '%s\n' '127.0.0.1 localhost sandbox' '::1 localhost' >/home/hosts
mount --bind /home/hosts /etc/hosts
mount -t tmpfs -o size=8g,mode=1777 none /tmp
mount -t tmpfs -o size=8g,mode=1777 none /dev/shm
mount -t tmpfs -o size=8g,mode=700,uid=1000,gid=1000 none /run
for tree in $readonly; do
	mount --bind "$tree" "$tree"
	mount -o remount,bind,ro "$tree"
done
chown -R 1000:1000 /home/sandbox
cd /home/sandbox
exec </dev/null
exec setsid --wait prlimit --fsize="$longest" --cpu="$cpu" --nofile=256 --stack=8388608 --core=1 --memlock=65536 --sigpending=256 --msgqueue=0 --nice=0 --rtprio=0 \
	setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set=-all env -i "$@" ` + jailtest.Python + ` main.py
`

// runOutside runs a program as `python3 main.py`. An error means that the program did not end by itself. Its output is returned even then.
func runOutside(ctx context.Context, source string, environment map[string]string, limits sandbox.Limits, readOnly ...string) (did, error) {
	ctx, cancel := context.WithTimeout(ctx, limits.Wall)
	defer cancel()
	arguments := []string{"--net", "--uts", "--ipc", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", outsideScript, "sh",
		strconv.Itoa(int(limits.Wall.Seconds())*runtime.NumCPU() + 1), strconv.FormatInt(limits.Scratch, 10), strings.Join(readOnly, " ")}
	for name, value := range environment {
		arguments = append(arguments, name+"="+value)
	}
	cmd := exec.CommandContext(ctx, "unshare", arguments...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(source), &stdout, &stderr, time.Second
	err := cmd.Run()
	d := did{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	var ended *exec.ExitError
	if ctx.Err() != nil {
		return d, context.Cause(ctx)
	}
	if err != nil && !errors.As(err, &ended) {
		return d, err
	}
	return d, nil
}
