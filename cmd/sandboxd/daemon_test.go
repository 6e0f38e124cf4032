package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The tests start the real program: the test binary, which calls main if this variable is set.
const beMain = "SANDBOXD_TEST_BE_MAIN"

func TestMain(m *testing.M) {
	if profile := os.Getenv(underFilter); profile != "" {
		os.Unsetenv(underFilter)
		executeUnder(profile)
	}
	if os.Getenv(beMain) == "1" {
		os.Unsetenv(beMain) // otherwise it is reported as an unknown setting
		main()
		return
	}
	os.Exit(m.Run())
}

// command returns the program with arguments.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = daemonEnvironment()
	return cmd
}

// isolation returns the isolation flag that this machine supports. In the lab it is required.
var isolation = sync.OnceValue(func() string {
	cmd := exec.Command("/proc/self/exe", "doctor")
	cmd.Env = daemonEnvironment()
	if cmd.Run() == nil {
		return "--isolation=required"
	}
	return "--isolation=best-effort"
})

// sandboxd is a running daemon.
type sandboxd struct {
	url  string
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan error

	address chan string // receives the address when the daemon serves
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

var servingAt = regexp.MustCompile(`msg=serving address=(\S+)`)

// start starts a daemon on its own port, unless the arguments say where, and waits until it serves. The daemon ends with the test.
func start(t testing.TB, args ...string) *sandboxd {
	t.Helper()
	if !strings.Contains(strings.Join(args, " "), "--listen=") {
		args = append([]string{"--listen=127.0.0.1:0"}, args...)
	}
	return startCommand(t, command(t, append([]string{"serve", isolation()}, args...)...))
}

// underEachEngine runs a test once for each way in which a run can start, with the flags for that way.
func underEachEngine(t *testing.T, test func(t *testing.T, flags ...string)) {
	for way, flags := range [][]string{
		{"--engine=exec", "--warm=0"}, {"--engine=exec", "--warm=2"},
		{"--engine=fork", "--warm=0"}, {"--engine=fork", "--warm=2"},
	} {
		if testenv.Tries(way, len(t.Name())) {
			t.Run(strings.Join(flags, " "), func(t *testing.T) { test(t, flags...) })
		}
	}
}

// startCommand starts a daemon and waits until it serves.
func startCommand(t testing.TB, cmd *exec.Cmd) *sandboxd {
	t.Helper()
	d := launch(t, cmd)
	d.serves(t)
	return d
}

// launch starts a daemon, which ends with the test.
func launch(t testing.TB, cmd *exec.Cmd) *sandboxd {
	t.Helper()
	d := &sandboxd{cmd: cmd, log: &lockedBuffer{}, done: make(chan error, 1), address: make(chan string, 1)}
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewReader(stderr); ; {
			line, err := lines.ReadString('\n')
			io.WriteString(d.log, line)
			if m := servingAt.FindStringSubmatch(line); m != nil {
				d.address <- m[1]
			}
			if err != nil {
				d.done <- d.cmd.Wait()
				close(d.done)
				return
			}
		}
	}()
	t.Cleanup(func() {
		d.cmd.Process.Kill()
		<-d.done
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log)
		}
	})
	return d
}

// serves waits until the daemon serves.
func (d *sandboxd) serves(t testing.TB) {
	t.Helper()
	select {
	case d.url = <-d.address:
	case err := <-d.done:
		t.Fatalf("the daemon ended: %v\n%s", err, d.log)
	case <-time.After(time.Minute):
		t.Fatalf("the daemon does not serve\n%s", d.log)
	}
}

// answer is an HTTP answer.
type answer struct {
	status int
	header http.Header
	body   string
	took   time.Duration
}

// readAnswer reads the response of a client, or fails the test with its error.
func readAnswer(t testing.TB, response *http.Response, err error) answer {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: response.StatusCode, header: response.Header, body: string(data)}
}

func (d *sandboxd) do(ctx context.Context, method, path string, body io.Reader, header ...string) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, body)
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return send(request)
}

// send sends a request and reads the answer.
func send(request *http.Request) (answer, error) {
	begin := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(data), time.Since(begin)}, err
}

// get fetches a page.
func (d *sandboxd) get(t testing.TB, path string) answer {
	t.Helper()
	a, err := d.do(t.Context(), "GET", path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// post sends a body to /playground/execute.
func (d *sandboxd) post(t testing.TB, body string) answer {
	t.Helper()
	a, err := d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(body), "Content-Type", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// streams is an answer of /playground/execute.
type streams struct {
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// execute runs a program and expects an answer of two streams.
func (d *sandboxd) execute(t testing.TB, code string) (streams, answer) {
	t.Helper()
	body, err := json.Marshal(map[string]string{"code": code})
	if err != nil {
		t.Fatal(err)
	}
	a := d.post(t, string(body))
	var s streams
	decoder := json.NewDecoder(strings.NewReader(a.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); a.status != http.StatusOK || err != nil {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	return s, a
}

// metric reads one sample.
func (d *sandboxd) metric(t testing.TB, series string) string {
	t.Helper()
	for line := range strings.Lines(d.get(t, "/metrics").body) {
		if value, ok := strings.CutPrefix(line, series+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Errorf("no sample %s", series)
	return ""
}

// closeIdle closes this client's idle connections, because the daemon counts them.
func closeIdle() { http.DefaultClient.CloseIdleConnections() }

// daemonEnvironment returns the environment with which the test binary is the daemon. The daemon uses host uids of this test.
func daemonEnvironment() []string {
	uids := jailtest.UIDs()
	return append(os.Environ(), beMain+"=1",
		fmt.Sprintf("SANDBOXD_UID_FIRST=%d", uids.First), fmt.Sprintf("SANDBOXD_UID_COUNT=%d", uids.Count),
		"SANDBOXD_PREPARE_FONTS=false", // saves a second for each daemon
		"GORACE=atexit_sleep_ms=0")     // otherwise each exit takes a second under the race detector
}
