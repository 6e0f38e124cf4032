// Package promtest starts a real Prometheus for tests.
package promtest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// Tool finds a program of Prometheus in SANDBOXD_PROMETHEUS_DIR or in PATH. Without it the test is skipped, or fails if
// SANDBOXD_TEST_STRICT is 1.
func Tool(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("SANDBOXD_PROMETHEUS_DIR"); dir != "" {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		testenv.Missing(t, "%s: set SANDBOXD_PROMETHEUS_DIR to a directory that has it", name)
	}
	return path
}

// Server is a running Prometheus, which ends with the test.
type Server struct {
	address string
	output  string
	ended   chan error
}

// Start starts Prometheus with a configuration.
func Start(t testing.TB, config string) *Server {
	t.Helper()
	program, dir := Tool(t, "prometheus"), t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{address: freeAddress(t), output: filepath.Join(dir, "output"), ended: make(chan error, 1)}
	output, err := os.Create(s.output)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.ended
	})
	return s
}

// Get calls a path of the HTTP API below /api/v1, and decodes what is in "data".
func (s *Server) Get(path string, data any) error {
	response, err := http.Get("http://" + s.address + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("%w: %s", ErrQuery, answer.Error)
	}
	return json.Unmarshal(answer.Data, data)
}

// ErrQuery means that Prometheus refused a query.
var ErrQuery = fmt.Errorf("prometheus refuses the query")

// Query returns the number of series that a query returns now.
func (s *Server) Query(query string) (int, error) {
	var data struct{ Result []json.RawMessage }
	err := s.Get("query?query="+url.QueryEscape(query), &data)
	return len(data.Result), err
}

// WaitFor waits until a condition holds, for a minute at most. It stops the test when Prometheus ends.
func (s *Server) WaitFor(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.After(time.Minute); !so(); {
		select {
		case err := <-s.ended:
			s.ended <- err // for the clean-up
			t.Fatalf("prometheus ended: %v\n%s", err, s.said())
		case <-deadline:
			t.Fatalf("waited a minute for %s\n%s", what, s.said())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (s *Server) said() []byte {
	said, _ := os.ReadFile(s.output)
	return said
}

// freeAddress returns a free loopback address. Prometheus cannot listen on port 0 and report the port.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
