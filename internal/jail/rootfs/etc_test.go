package rootfs

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Each file of /etc is planned exactly once, whatever files the host has.
func TestEtcPlan(t *testing.T) {
	host := etcFromHost
	defer func() { etcFromHost = host }()
	for _, tt := range []struct {
		name string
		has  []string
	}{{"with the files of this host", host}, {"without files of the host", nil}} {
		t.Run(tt.name, func(t *testing.T) {
			etcFromHost = tt.has
			planned := map[string]inside.Node{}
			for _, n := range etcPlan() {
				if was, twice := planned[n.Path]; twice && was.Op != inside.Dir { // a Tree is laid over a Dir
					t.Errorf("%s is planned twice", n.Path)
				}
				planned[n.Path] = n
			}
			for _, path := range []string{"group", "hostname", "hosts", "nsswitch.conf", "passwd", "protocols", "resolv.conf", "services", "timezone"} {
				if _, ok := planned["/etc/"+path]; !ok {
					t.Errorf("/etc/%s is not planned", path)
				}
			}
		})
	}
}

// The embedded files have the form of services(5) and protocols(5).
func TestEmbeddedServicesAndProtocols(t *testing.T) {
	for _, tt := range []struct {
		name, text, form string
		want             []string
	}{
		{"services", services, `^[a-z0-9-]+\t+\d+/(tcp|udp)(\t+[a-z0-9-]+( [a-z0-9-]+)*)?$`, []string{"http\t\t80/tcp", "https\t\t443/tcp", "ssh\t\t22/tcp", "domain\t\t53/udp"}},
		{"protocols", protocols, `^[a-z0-9-]+\t\d+\t[A-Za-z0-9-]+$`, []string{"tcp\t6\tTCP", "udp\t17\tUDP", "icmp\t1\tICMP"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			form := regexp.MustCompile(tt.form)
			for line := range strings.Lines(tt.text) {
				if line = strings.TrimSuffix(line, "\n"); !strings.HasPrefix(line, "#") && !form.MatchString(line) {
					t.Errorf("the line %q does not match %s", line, tt.form)
				}
			}
			for _, entry := range tt.want {
				if !strings.Contains(tt.text, "\n"+entry) {
					t.Errorf("the entry %q is missing", entry)
				}
			}
		})
	}
}

// The bundle contains the certificates of the package, and no private key, comment or other file.
func TestAuthorities(t *testing.T) {
	dir := t.TempDir()
	block := func(kind, content string) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(content)})
	}
	for path, text := range map[string][]byte{
		"mozilla/a.crt":    append([]byte("# a comment\n"), block("CERTIFICATE", "first")...),
		"mozilla/b.crt":    append(block("CERTIFICATE", "second"), block("CERTIFICATE", "third")...),
		"mozilla/c.crt":    block("PRIVATE KEY", "secret"),
		"mozilla/README":   block("CERTIFICATE", "no certificate file"),
		"mozilla/none.crt": []byte("nothing"),
	} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := string(block("CERTIFICATE", "first")) + string(block("CERTIFICATE", "second")) + string(block("CERTIFICATE", "third"))
	if got := authorities(dir); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if got := authorities(filepath.Join(dir, "nowhere")); got != "" {
		t.Errorf("for a missing directory: %q", got)
	}
}
