package jail

import (
	"cmp"
	"errors"
	"log/slog"
	"maps"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Config describes a Runner.
type Config struct {
	HostConfig
	EnvironmentConfig

	// Templates are the modules that each environment imports, by its name, with Fork. There is always an environment named
	// sandbox.DefaultTemplate.
	Templates map[string][]string
}

// HostConfig is what belongs to the machine.
type HostConfig struct {
	BestEffort bool         // go on without cgroup controllers; every other layer stays required
	UIDs       hostid.Range // host uids for the runs, if the daemon may map any (it is root)
	Fork       bool         // runs are forked from templates; otherwise each starts a python3 of its own
	Log        *slog.Logger

	// SetUpPatience bounds the time from clone to execve. It is long, because a run on a machine without a free processor should be
	// slow, not broken. Optional: 20 s.
	SetUpPatience time.Duration

	// KillPatience bounds the time until killed processes have ended. Optional: 10 s.
	KillPatience time.Duration
}

// EnvironmentConfig is what belongs to an interpreter with its packages.
type EnvironmentConfig struct {
	Python string            // path of the interpreter on the host
	Limits sandbox.Limits    // of each run that sets none for itself
	Filter []unix.SockFilter // seccomp program
	CPU    CPU               // settings against side channels through the processor

	// Max are the limits that a run may set for itself: wall clock, memory, processes, output. Optional: Limits.
	Max sandbox.Limits

	// Warm is how many jails wait for a program at most, with python3 started in each. 0: every run starts its own.
	Warm int

	// RenewTemplates is how long a template lives. Optional: an hour.
	RenewTemplates time.Duration

	// Alter is for tests. It changes the order of each run's init, to remove a layer so that another one is tested alone, or to
	// make a step fail. Optional.
	Alter func(*inside.Order)
}

const (
	setUpPatience  = 20 * time.Second
	killPatience   = 10 * time.Second
	renewTemplates = time.Hour
)

// complete checks a Config and sets the defaults of optional fields.
func (c *Config) complete() error {
	if err := c.Limits.Validate(); err != nil {
		return err
	}
	if len(c.Filter) == 0 {
		return errors.New("no seccomp filter")
	}
	c.SetUpPatience = cmp.Or(c.SetUpPatience, setUpPatience)
	c.KillPatience = cmp.Or(c.KillPatience, killPatience)
	c.RenewTemplates = cmp.Or(c.RenewTemplates, renewTemplates)
	templates := map[string][]string{sandbox.DefaultTemplate: nil}
	if c.Fork {
		maps.Copy(templates, c.Templates)
	}
	c.Templates = templates
	return nil
}
