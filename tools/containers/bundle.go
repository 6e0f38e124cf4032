package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"

	"github.com/moby/moby/v2/daemon/pkg/oci"
	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// bundle is a container of the daemon: Docker's default with the options of deploy/container, except one.
type bundle struct {
	name   string
	change func(*specs.Spec) // takes an option away; nil for none
	// What doctor must print: the layers that are weaker, and the one that is missing, with a part of its remedy. "" if none is missing.
	weaker        []string
	layer, remedy string
	// needsControllers is set if the layer is a controller of cgroup v2.
	needsControllers bool
}

var bundles = []bundle{
	{name: "complete"},
	{name: "default-capabilities", change: func(s *specs.Spec) {
		s.Process.Capabilities = oci.DefaultLinuxSpec().Process.Capabilities
		s.Process.NoNewPrivileges = false
	}},
	// As in a container of rootless Podman, or of Kubernetes with hostUsers: false. The user namespace has 65536 uids, so runs have no uids of
	// their own, and root needs CAP_SETFCAP to map its uid.
	{name: "user-namespace", change: func(s *specs.Spec) {
		s.Linux.Namespaces = append(s.Linux.Namespaces, specs.LinuxNamespace{Type: specs.UserNamespace})
		ids := []specs.LinuxIDMapping{{ContainerID: 0, HostID: 1_800_000_000, Size: 65536}}
		s.Linux.UIDMappings, s.Linux.GIDMappings = ids, ids
		setCapabilities(s, "CAP_SETFCAP")
	}, weaker: []string{"host-uid"}},
	{name: "another-user", change: func(s *specs.Spec) {
		s.Process.User = specs.User{UID: 1000, GID: 1000}
		setCapabilities(s)
	}, weaker: []string{"host-uid"}, layer: "cgroup-kill", remedy: "run as root, or under systemd with Delegate=yes"},
	{name: "no-seccomp-option", change: func(s *specs.Spec) {
		docker, err := seccomp.GetDefaultProfile(s)
		if err != nil {
			panic(err) // the profile is a constant of the module
		}
		s.Linux.Seccomp = docker
	}, layer: "user-namespace", remedy: "use --security-opt seccomp=deploy/container/seccomp.json"},
	{name: "no-systempaths-option", change: func(s *specs.Spec) {
		docker := oci.DefaultLinuxSpec().Linux
		s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = docker.MaskedPaths, docker.ReadonlyPaths
	}, layer: "user-namespace", remedy: "use --security-opt systempaths=unconfined"},
	{name: "masked-paths", change: func(s *specs.Spec) {
		s.Linux.MaskedPaths = oci.DefaultLinuxSpec().Linux.MaskedPaths
	}, layer: "root-file-system", remedy: "use --security-opt systempaths=unconfined"},
	{name: "no-writable-cgroups-option", change: func(s *specs.Spec) {
		cgroup(s).Options = append(cgroup(s).Options, "ro")
	}, layer: "cgroup-kill", remedy: "Docker 28: --security-opt writable-cgroups=true"},
	{name: "no-capabilities", change: func(s *specs.Spec) { setCapabilities(s) },
		weaker: []string{"host-uid"}, layer: "user-namespace", remedy: "docker run --cap-add=SETFCAP"},
	{name: "shell", change: func(s *specs.Spec) {
		s.Process.Args = append([]string{"/bin/sh", "-c", `"$@"; exit`, "sh"}, s.Process.Args...)
	}, layer: "memory", remedy: "sandboxd must be the only process", needsControllers: true},
}

// serving is a container that serves, for the lab.
var serving = bundle{name: "serve", change: func(s *specs.Spec) {
	s.Process.Args = []string{"/usr/local/bin/sandboxd", "serve", "--listen=127.0.0.1:8000", "--admin-listen=127.0.0.1:8001", "--isolation=required"}
}}

// makeSpec returns the container's configuration. The root file system is in the directory root of the bundle.
func makeSpec(b bundle) specs.Spec {
	s := oci.DefaultLinuxSpec()
	s.Version = "1.0.2" // Debian 12's crun does not accept later ones
	s.Root = &specs.Root{Path: "root", Readonly: true}
	s.Hostname = "sandboxd"
	s.Process.Args = []string{"/usr/local/bin/sandboxd", "doctor"}
	s.Process.Env = []string{"PATH=" + oci.DefaultPathEnv("linux")}
	s.Process.Cwd = "/"
	s.Process.NoNewPrivileges = true
	setCapabilities(&s, capabilities...)
	// Docker gives a container its own cgroup namespace on a machine with cgroup v2. Docker's runtime runc knows time namespaces, and
	// Debian 12's crun does not need one: the container has the clock of the machine.
	s.Linux.CgroupsPath = "/sandboxd-test-" + b.name
	s.Linux.Namespaces = append(slices.DeleteFunc(s.Linux.Namespaces, func(n specs.LinuxNamespace) bool { return n.Type == specs.TimeNamespace }),
		specs.LinuxNamespace{Type: specs.CgroupNamespace})
	// The rules for devices are a BPF program, and crun may need CAP_SYS_RESOURCE to load one. The container has no CAP_MKNOD.
	s.Linux.Resources = nil
	s.Linux.MaskedPaths, s.Linux.ReadonlyPaths = nil, nil // --security-opt systempaths=unconfined
	cgroup(&s).Options = slices.DeleteFunc(slices.Clone(cgroup(&s).Options), func(o string) bool { return o == "ro" })
	s.Linux.Seccomp = makeProfile(added).spec()
	if b.change != nil {
		b.change(&s)
	}
	return s
}

func bindMount(source, destination string) specs.Mount {
	return specs.Mount{Source: source, Destination: destination, Type: "bind", Options: []string{"bind", "nosuid", "nodev", "noexec"}}
}

func setCapabilities(s *specs.Spec, names ...string) {
	s.Process.Capabilities = &specs.LinuxCapabilities{Bounding: names, Permitted: names, Effective: names}
}

// cgroup returns the mount of the cgroup file system.
func cgroup(s *specs.Spec) *specs.Mount {
	return &s.Mounts[slices.IndexFunc(s.Mounts, func(m specs.Mount) bool { return m.Type == "cgroup" })]
}

// writeBundles makes a directory below dir for each bundle.
func writeBundles(root, dir string) error {
	for _, b := range bundles {
		if err := writeBundle(b, root, dir); err != nil {
			return err
		}
	}
	return nil
}

// writeBundle makes the directory of a bundle below dir: config.json, remedy with a part of what doctor must print, and root, a link to the
// root file system.
func writeBundle(b bundle, root, dir string) error {
	path := filepath.Join(dir, b.name)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	config, err := json.MarshalIndent(makeSpec(b), "", "  ")
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"config.json": config, "remedy": []byte(b.remedy)} {
		if err := os.WriteFile(filepath.Join(path, name), content, 0o644); err != nil {
			return err
		}
	}
	link := filepath.Join(path, "root")
	if err := os.Remove(link); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Symlink(root, link)
}
