package jail_test

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// layer is a layer that attacks can name in their heads, and the way to remove it. A layer that cannot be removed is present in every
// test.
type layer struct {
	name       string                    // column "attacked as" of the table of layers
	leaveOut   bool                      // to remove it, the init leaves out its stages
	namespaces uintptr                   // to remove it, runs share these namespaces with the host
	config     func(*jail.Config)        // removes it in the configuration
	jail       func(*jail.Runner) func() // removes it from a Runner; the returned function restores it
	note       string                    // added to the text of the table: what remains if it is removed
	here       func(*jail.Runner) bool   // reports whether this machine has it; nil if all machines do
}

func (l layer) removable() bool {
	return l.leaveOut || l.namespaces != 0 || l.config != nil || l.jail != nil
}

// stages returns the stages of the init that belong to the layer.
func (l layer) stages() (stages []string) {
	for _, row := range doctor.Table() {
		for _, stage := range row.Stages {
			if row.Attack == l.name && slices.Contains(inside.Stages, stage) {
				stages = append(stages, stage)
			}
		}
	}
	return stages
}

// what returns the text of the table of layers.
func (l layer) what() string {
	var parts []string
	for _, row := range doctor.Table() {
		if row.Attack == l.name {
			parts = append(parts, row.What)
		}
	}
	return strings.Join(parts, "; ") + l.note
}

var layers = []layer{
	{name: "seccomp", config: func(c *jail.Config) { c.Filter = allowAll }},
	{name: "mounts", jail: func(j *jail.Runner) func() { showHost(j); return func() {} },
		note: " (if removed: the host's root is mounted read-only below /host)"},
	{name: "landlock", leaveOut: true},
	{name: "credentials", leaveOut: true},
	{name: "user-ns", leaveOut: true},
	{name: "session", leaveOut: true},
	{name: "rlimits", leaveOut: true},
	{name: "cgroup", jail: (*jail.Runner).LeaveCgroup, here: (*jail.Runner).Enforced},
	{name: "net-ns", namespaces: unix.CLONE_NEWNET, leaveOut: true},
	{name: "ipc-ns", namespaces: unix.CLONE_NEWIPC},
	// Layers that cannot be removed, because no jail starts without them.
	{name: "pid-ns"}, {name: "init"}, {name: "ids"}, {name: "attributes"}, {name: "descriptors"}, {name: "scratch"},
	{name: "daemon"}, {name: "kernel"},
}

func layerNamed(name string) *layer {
	for i, l := range layers {
		if l.name == name {
			return &layers[i]
		}
	}
	return nil
}

// showHost mounts the directories of the host's root below /host, except the one over which the init builds the new root.
func showHost(j *jail.Runner) {
	const at = "/host"
	nodes := []inside.Node{{Op: inside.Dir, Path: at, Mode: 0o755}}
	entries, _ := os.ReadDir("/")
	for _, entry := range entries {
		if path := "/" + entry.Name(); entry.IsDir() && path != inside.Assembly {
			nodes = append(nodes, inside.Node{Op: inside.Dir, Path: at + path, Mode: 0o755}, inside.Node{Op: inside.Bind, Path: at + path, Source: path})
		}
	}
	j.Expose(nodes...)
}

// without makes the Runners for attacks without some layers.
func without(t *testing.T, attacks []attack, gone []layer, edits ...func(*jail.Config)) map[string]*jail.Runner {
	t.Helper()
	made := jails(t, attacks, func(c *jail.Config) {
		for _, edit := range edits {
			edit(c)
		}
		var stages []string
		for _, l := range gone {
			if l.leaveOut {
				stages = append(stages, l.stages()...)
			}
			if l.config != nil {
				l.config(c)
			}
		}
		jailtest.Without(c, stages...)
	})
	for _, j := range made {
		for _, l := range gone {
			j.ShareNamespaces(l.namespaces)
			if l.jail != nil {
				t.Cleanup(l.jail(j)) // runs before the Cleanup of jailtest.New, which closes the Runner
			}
		}
	}
	return made
}

// others returns the layers that can be removed, except those named.
func others(names ...string) (gone []layer) {
	for _, l := range layers {
		if l.removable() && !slices.Contains(names, l.name) {
			gone = append(gone, l)
		}
	}
	return gone
}

// Each attack is stopped by each layer that it names, when all other layers that can be removed are removed. The result is the table in
// SECURITY.md, which `make escape` writes. `make test` tries each attack on one of its layers and compares the table with the heads of the
// attacks. `make test-all` and `make escape` try each attack on all of its layers.
//
//lab:as user
func TestEachLayerAlone(t *testing.T) {
	attacks := loadAttacks(t)
	host := newHost(t)
	whole := jailtest.New(t, nil)
	table := map[string]*score{}
	claims, tried := 0, 0
	isHere := func(l layer) bool { return l.here == nil || l.here(whole) }
	layerToTry := map[string]string{} // by attack: the only layer on which `make test` tries it
	for n, a := range attacks {
		names := slices.DeleteFunc(slices.Clone(a.layers), func(name string) bool { return !isHere(*layerNamed(name)) })
		if len(names) > 0 {
			layerToTry[a.String()] = names[n%len(names)]
		}
	}
	for _, l := range layers {
		claiming := slices.DeleteFunc(slices.Clone(attacks), func(a attack) bool { return !slices.Contains(a.layers, l.name) })
		// The lab is slow, so it only tries layers that not every machine has. The rows of other layers in the page are not changed.
		if !isHere(l) || l.here == nil && testenv.InLab() {
			continue
		}
		claims += len(claiming)
		table[l.name] = &score{}
		if testenv.Brief() {
			claiming = firstOfEachFamily(claiming)
		}
		if !testenv.InLab() && !testenv.All() {
			claiming = slices.DeleteFunc(claiming, func(a attack) bool {
				if layerToTry[a.String()] == l.name {
					return false
				}
				table[l.name].add(a.family, true)
				return true
			})
		}
		t.Run(l.name, func(t *testing.T) {
			jails := without(t, claiming, others(l.name))
			for _, a := range claiming {
				t.Run(a.String(), func(t *testing.T) {
					t.Parallel()
					why := a.judgeWeakened(host.attack(t, jails[a.limits], a))
					if why != "" {
						t.Error(why)
					}
					table[l.name].add(a.family, why == "")
				})
			}
		})
	}
	for _, s := range table {
		for _, n := range s.tried {
			tried += n
		}
	}
	if tried == claims { // each claim was tried, or is only tried by make test-all
		document(t, attacks, table)
	}
}

// With engine exec, which the test above uses, process 1 is the program sandboxd-init. With engine fork it is forked from a python3, which
// has signal handlers. It must stop the same attacks alone. The mounts cannot be removed here, because the template is in a jail itself.
func TestForkedInitAlone(t *testing.T) {
	attacks := slices.DeleteFunc(loadAttacks(t), func(a attack) bool { return !slices.Contains(a.layers, "init") })
	host := newHost(t)
	jails := without(t, attacks, others("init", "mounts"), func(c *jail.Config) { c.Fork = true })
	for _, a := range attacks {
		t.Run(a.String(), func(t *testing.T) {
			t.Parallel()
			if why := a.judgeWeakened(host.attack(t, jails[a.limits], a)); why != "" {
				t.Error(why)
			}
		})
	}
}

// If an attack names only layers that can be removed, it succeeds when all of them are removed. This proves that the attack is real and
// that no other layer stops it.
func TestAttacksGetThroughWithoutLayers(t *testing.T) {
	if status, _ := os.ReadFile("/proc/self/status"); !strings.Contains(string(status), "\nSeccomp:\t0\n") || os.Geteuid() != 0 {
		t.Skip("there are layers around this test: the lab's root, and a native run, have none")
	}
	attacks := slices.DeleteFunc(loadAttacks(t), func(a attack) bool {
		return slices.ContainsFunc(a.layers, func(name string) bool { return !layerNamed(name).removable() }) ||
			a.family == "resources" || a.family == "daemon" // without limits they would harm this machine
	})
	host := newHost(t)
	var score score
	t.Run("all gone", func(t *testing.T) {
		jails := without(t, attacks, others())
		for _, a := range attacks {
			t.Run(a.String(), func(t *testing.T) {
				t.Parallel()
				r := host.attack(t, jails[a.limits], a)
				said := "\n" + string(r.Stdout.Kept)
				through := strings.Contains(said, "\nESCAPED: ")
				if !through && strings.Contains(said, "\nabsent: ") {
					t.Skip(said) // this kernel does not have the target of the attack
				}
				if !through {
					t.Errorf("held by something that it does not name: %s%s", r.Stdout.Kept, r.Stderr.Kept)
				}
				t.Logf("%s", bad.Find(r.Stdout.Kept))
				score.add(a.family, through)
			})
		}
	})
	score.print("Attacks that get through when all layers are gone that can be, of those that only such layers stop")
}

// document compares the counts with the page, or writes the page with SANDBOXD_TEST_UPDATE=1.
func document(t *testing.T, attacks []attack, table map[string]*score) {
	t.Helper()
	var families []string
	for _, a := range attacks {
		families = append(families, a.family)
	}
	slices.Sort(families)
	families = slices.Compact(families)
	was, err := os.ReadFile(layersPage)
	if err != nil {
		t.Fatal(err)
	}
	before, _, found := strings.Cut(string(was), "| layer |")
	if !found {
		t.Fatalf("%s has no table", layersPage)
	}
	var page strings.Builder
	fmt.Fprintf(&page, "%s| layer | %s | what it is |\n|%s\n", before, strings.Join(families, " | "), strings.Repeat(" --- |", len(families)+2))
	for _, l := range layers {
		row := "| " + l.name + " |"
		if s := table[l.name]; s == nil {
			row = rowOf(string(was), row)
		} else {
			if len(s.tried) == 0 {
				continue
			}
			for _, family := range families {
				cell := ""
				if n := s.tried[family]; n > 0 {
					cell = fmt.Sprintf("%d/%d", s.held[family], n)
				}
				row += " " + cell + " |"
			}
			row += " " + l.what() + " |\n"
		}
		page.WriteString(row)
	}
	if testing.Verbose() {
		fmt.Printf("\nHeld by each layer alone, of those tried\n%s", page.String()[len(before):])
	}
	if runtime.GOARCH != "amd64" || page.String() == string(was) {
		return // other architectures have other attacks
	}
	if os.Getenv("SANDBOXD_TEST_UPDATE") == "1" {
		err = os.WriteFile(layersPage, []byte(page.String()), 0o644)
	} else {
		err = fmt.Errorf("the table in %s differs from the results; `make escape` updates it", layersPage)
	}
	if err != nil {
		t.Error(err)
	}
}

// rowOf returns the line of a page that begins with a text, or "".
func rowOf(page, begin string) string {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, begin) {
			return line
		}
	}
	return ""
}
