package rootfs

import (
	_ "embed"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// etcFromHost lists the files of the host's /etc that a jail has. They come with packages of the distribution: library paths, file types,
// port names, defaults of matplotlib and of OpenSSL. None of them contains the host's users or its network configuration.
var etcFromHost = []string{
	"/etc/alternatives", // libblas.so.3 is a link through it
	"/etc/ld.so.cache",
	"/etc/fonts",
	"/etc/matplotlibrc",
	"/etc/mime.types",
	"/etc/protocols",
	"/etc/services",
	"/etc/ssl/openssl.cnf",
}

// Files for a host that does not have /etc/services or /etc/protocols.
var (
	//go:embed etc/services
	services string
	//go:embed etc/protocols
	protocols string
)

// etcPlan plans /etc: the files of etcFromHost, and files made for the jail in place of those that describe the host.
func etcPlan() []inside.Node {
	plan := []inside.Node{
		{Op: inside.Dir, Path: "/etc", Mode: 0o755},
		{Op: inside.Dir, Path: "/etc/ssl", Mode: 0o755},
		{Op: inside.Dir, Path: "/etc/ssl/certs", Mode: 0o755},
	}
	for _, path := range etcFromHost {
		plan = append(plan, mirror(path)...)
	}
	file := func(path, data string) {
		if !slices.ContainsFunc(plan, func(n inside.Node) bool { return n.Path == path }) && data != "" {
			plan = append(plan, inside.Node{Op: inside.File, Path: path, Data: data})
		}
	}
	file("/etc/protocols", protocols)
	file("/etc/services", services)
	file("/etc/ssl/certs/ca-certificates.crt", authorities(authoritiesDir))
	// root and nobody, which programs expect, and the user of the program.
	file("/etc/passwd", fmt.Sprintf(`root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
%s:x:%d:%d::%s:/bin/sh
`, User, inside.UID, inside.GID, Home))
	file("/etc/group", fmt.Sprintf("root:x:0:\nnogroup:x:65534:\n%s:x:%d:\n", User, inside.GID))
	file("/etc/hosts", "127.0.0.1 localhost "+inside.Hostname+"\n::1 localhost\n")
	file("/etc/hostname", inside.Hostname+"\n")
	// dns, although no server answers: so the lookup of a name that is not in /etc/hosts returns EAI_AGAIN ("Temporary failure in name
	// resolution"), as on a machine without a network, and not EAI_NONAME.
	file("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n")
	file("/etc/resolv.conf", "# There is no network: nobody answers here.\nnameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
	file("/etc/timezone", "Etc/UTC\n") // the host's time zone would reveal its location
	for _, n := range []inside.Node{
		{Op: inside.Link, Path: "/etc/localtime", Source: "/usr/share/zoneinfo/Etc/UTC"},
		{Op: inside.Link, Path: "/etc/os-release", Source: "/usr/lib/os-release"},
	} {
		if _, err := os.Stat(n.Source); err == nil {
			plan = append(plan, n)
		}
	}
	return plan
}

// authoritiesDir holds the certificates of the distribution's package ca-certificates.
const authoritiesDir = "/usr/share/ca-certificates"

// authorities returns a bundle in the form that update-ca-certificates(8) writes to /etc/ssl/certs/ca-certificates.crt. It contains only
// the certificates of the package. The host's bundle may contain others, which reveal who operates the host.
func authorities(dir string) string {
	var bundle strings.Builder
	paths, _ := filepath.Glob(dir + "/*/*.crt") // fails only for a malformed pattern
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if block.Type == "CERTIFICATE" {
				bundle.Write(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
			}
		}
	}
	return bundle.String()
}
