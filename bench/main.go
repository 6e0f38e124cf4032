// Command bench compares one run through HTTP with a bare python3, in alternation in one go, and
// prints the ratio and where the time goes. Start it with `make bench`.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const program = "print(1)"

func main() {
	log.SetFlags(0)
	daemon := flag.String("daemon", "bin/sandboxd", "the daemon `program`")
	isolation := flag.String("isolation", "", "its --isolation; what the machine can enforce by default")
	python := flag.String("python", "/usr/bin/python3", "the reference, and the daemon's interpreter")
	n := flag.Int("n", 200, "pairs of runs")
	flag.Parse()
	if *isolation == "" {
		*isolation = "required"
		if exec.Command(*daemon, "doctor").Run() != nil {
			*isolation = "best-effort"
		}
	}
	if err := run(*daemon, *isolation, *python, *n); err != nil {
		log.Fatalln("bench:", err)
	}
}

func run(daemon, isolation, python string, n int) (err error) {
	url, stop, err := start(daemon, "serve", "--listen=127.0.0.1:0", "--isolation="+isolation, "--python="+python, "--log-level=info")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()

	m := measurements{}
	for i := range n + n/10 { // the first tenth warms up
		bare, err := timed(func() error { return bareRun(python) })
		if err != nil {
			return err
		}
		var parts map[string]time.Duration
		ours, err := timed(func() (err error) { parts, err = post(url); return err })
		if err != nil {
			return err
		}
		if i < n/10 {
			continue
		}
		m.add("bare", bare)
		m.add("ours", ours)
		inside := time.Duration(0)
		for part, d := range parts {
			m.add(part, d)
			inside += d
		}
		m.add("http", ours-inside)
	}
	fmt.Println("isolation:", isolation)
	if err := m.print(os.Stdout, n); err != nil {
		return err
	}
	for _, setting := range []string{"--core-scheduling", "--restrict-speculation"} {
		cost, err := settingCost(url, n, daemon, "serve", "--listen=127.0.0.1:0", "--isolation="+isolation, "--python="+python, setting)
		if err != nil {
			return err
		}
		fmt.Printf("%-23s %s\n", setting, cost)
	}
	return nil
}

// settingCost compares a daemon with one more setting with the one at url.
func settingCost(url string, n int, daemon string, args ...string) (cost string, err error) {
	with, stop, err := start(daemon, args...)
	if err != nil {
		return "not on this machine: " + firstRemedy(err.Error()), nil
	}
	defer func() { err = errors.Join(err, stop()) }()
	m := measurements{}
	for range n {
		for name, url := range map[string]string{"with": with, "without": url} {
			d, err := timed(func() error { _, err := post(url); return err })
			if err != nil {
				return "", err
			}
			m.add(name, d)
		}
	}
	return fmt.Sprintf("ratio of the medians with and without: %.2f", m.quantile("with", .5)/m.quantile("without", .5)), nil
}

// firstRemedy is what a daemon that does not start says to do about it.
func firstRemedy(said string) string {
	_, remedy, _ := strings.Cut(said, "remedy: ")
	remedy, _, _ = strings.Cut(remedy, "\n")
	return remedy
}

// start starts the daemon and returns its address and how to end it.
func start(name string, args ...string) (url string, stop func() error, err error) {
	cmd := exec.Command(name, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	serving := regexp.MustCompile(`msg=serving address=(http://\S+)`)
	lines := bufio.NewScanner(stderr)
	var said []string
	for lines.Scan() {
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			go io.Copy(io.Discard, stderr)
			return found[1], func() error {
				return errors.Join(cmd.Process.Signal(syscall.SIGTERM), cmd.Wait())
			}, nil
		}
		said = append(said, lines.Text())
	}
	return "", nil, fmt.Errorf("the daemon does not serve: %w\n%s", cmd.Wait(), strings.Join(said, "\n"))
}

func timed(f func() error) (time.Duration, error) {
	begin := time.Now()
	err := f()
	return time.Since(begin), err
}

// bareRun is the reference: the interpreter with no sandbox, its output read as ours is.
func bareRun(python string) error {
	out, err := exec.Command(python, "-I", "-c", program).Output()
	if err == nil && string(out) != "1\n" {
		err = fmt.Errorf("python3 printed %q", out)
	}
	return err
}

// post runs the program through HTTP and returns where the daemon says the time went.
func post(url string) (map[string]time.Duration, error) {
	body, err := json.Marshal(map[string]string{"code": program})
	if err != nil {
		return nil, err
	}
	response, err := http.Post(url+"/playground/execute", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && string(answer) != `{"stdout":"1\n","stderr":""}` {
		err = fmt.Errorf("status %d: %s", response.StatusCode, answer)
	}
	return parseTiming(response.Header.Get("Server-Timing")), err
}

// parseTiming reads a Server-Timing header: name;dur=milliseconds, …
func parseTiming(header string) map[string]time.Duration {
	parts := map[string]time.Duration{}
	for entry := range strings.SplitSeq(header, ", ") {
		name, dur, ok := strings.Cut(entry, ";dur=")
		if ms, err := strconv.ParseFloat(dur, 64); ok && err == nil {
			parts[name] = time.Duration(ms * float64(time.Millisecond))
		}
	}
	return parts
}

type measurements map[string][]time.Duration

func (m measurements) add(name string, d time.Duration) { m[name] = append(m[name], d) }

// quantile is exact: the samples are few.
func (m measurements) quantile(name string, q float64) float64 {
	sorted := slices.Sorted(slices.Values(m[name]))
	if len(sorted) == 0 {
		return 0
	}
	at := min(int(q*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[at]) / float64(time.Millisecond)
}

func (m measurements) print(w io.Writer, n int) error {
	var text strings.Builder
	row := func(what, name string) {
		fmt.Fprintf(&text, "%-46s %7.2f %7.2f %7.2f\n", what, m.quantile(name, .5), m.quantile(name, .9), m.quantile(name, .99))
	}
	fmt.Fprintf(&text, "%d pairs of %s, in alternation; milliseconds    p50     p90     p99\n", n, program)
	row("bare python3 -I", "bare")
	row("sandboxd over HTTP, cold", "ours")
	row("  waiting for a slot", "queue")
	row("  clone: leaf, namespaces, id maps, execve", "clone")
	row("  set-up: the init, until it execs python3", "setup")
	row("  program: interpreter and program", "program")
	row("  teardown: streams, counters, rmdir", "teardown")
	row("  HTTP, JSON, scan, and the client", "http")
	fmt.Fprintf(&text, "ratio of the medians: %.2f; on top of the bare interpreter: %.2f ms\n",
		m.quantile("ours", .5)/m.quantile("bare", .5), m.quantile("ours", .5)-m.quantile("bare", .5))
	_, err := io.WriteString(w, text.String())
	return err
}
