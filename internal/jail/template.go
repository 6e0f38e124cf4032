package jail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Engine fork: a template is a jail whose python3 has imported the modules that the operator names, and which forks runs (template.py
// of package python). The child starts in its own namespaces and cgroup, below those of the template, and replays the same script as
// every init. So runs share nothing except a copy of the template's memory, which contains no data of a user.
//
// A template keeps the capabilities over its own namespaces that it needs to jail its children. No code or data of a user ever reaches
// it. It is replaced on a schedule, and when it fails.

const (
	templatePatience = time.Minute // for its imports

	// stuckShare bounds how long a template may take for one answer: 1/stuckShare of SetUpPatience. This leaves time to start
	// the run by another template.
	stuckShare = 8

	// templateMemory is the memory limit of a template, in bytes. A run is only charged for the pages that it changes.
	templateMemory = 1 << 30

	// templateOutput bounds how much of a template's output is kept, in bytes. If python3 dies, the error contains its last line.
	templateOutput = 64 << 10
)

// template is one interpreter to fork from.
type template struct {
	*spawn.Template
	jail  *jail
	ended chan struct{} // closed when the jail of the template has been removed
}

// startTemplate starts the template of an environment and waits until it has imported its modules. It stops when ctx ends.
func startTemplate(ctx context.Context, e *environment) (_ *template, err error) {
	h := e.host
	ours, theirs, err := spawn.ControlPair()
	if err != nil {
		return nil, atStage(StageTemplate, err)
	}
	defer theirs.Close()
	defer func() {
		if err != nil {
			err = errors.Join(err, ours.Close())
		}
	}()
	limits := e.cfg.Limits
	limits.Memory = templateMemory
	j, err := newJail(e, h.templateID, limits, h.forTemplates())
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(ctx, h.cfg.SetUpPatience+templatePatience)
	defer cancel()
	err = j.getReady(patience, inside.Compile(e.templateOrder()))
	if err == nil {
		j.streams = output.Collect(j.process.Stdout, j.process.Stderr, templateOutput, nil)
		err = j.importModules(ctx, theirs, e.modules)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if _, failed := j.finish(err); failed != nil {
			err = failed
		}
		return nil, err
	}
	t := &template{jail: j, ended: make(chan struct{})}
	t.Template = spawn.NewTemplate(spawn.TemplateConfig{
		Control:       ours,
		Patience:      h.cfg.SetUpPatience / stuckShare,
		DenySetgroups: h.ids.Mapper() == hostid.ByOwner,
		Kill:          j.process.kill,
		Ended:         j.process.ended,
	})
	h.background.Go(func() {
		t.Listen()
		_, _ = j.finish(stopped(sandbox.Cancelled))
		_ = j.left()
		close(t.ended)
	})
	return t, nil
}

// importModules makes the interpreter of a jail a template and waits until it has imported its modules.
func (j *jail) importModules(ctx context.Context, control *os.File, modules []string) error {
	p := j.process
	what := inside.Handover{Template: true, Modules: modules, Display: j.env.python.Display()}.Encode()
	return p.converse(ctx, templatePatience, nil, what, func() (string, error) {
		// The launcher receives the descriptors together with a separate byte, because read(2) discards descriptors.
		rights := unix.UnixRights(int(control.Fd()), int(j.env.host.module.Fd()))
		conn, err := p.Channel.SyscallConn()
		if err == nil {
			writeErr := conn.Write(func(fd uintptr) bool {
				err = unix.Sendmsg(int(fd), []byte{0}, rights, nil, 0)
				return !errors.Is(err, unix.EAGAIN)
			})
			err = errors.Join(err, writeErr)
		}
		if err == nil {
			err = await(p.Channel, nil, inside.Started)
		}
		return StageTemplate, err
	})
}

// templateOrder returns the order for the jail of a template. The root is the same as that of a run, with two differences. Host
// directories are bind mounts and not overlays, and /proc has all files: its children mount their own overlays and procfs from these.
func (e *environment) templateOrder() *inside.Order {
	root := e.root.Load()
	o := e.order(root)
	o.UID, o.GID = e.host.templateID.UID, e.host.templateID.GID
	o.Role = inside.Template
	o.Filter, o.Listen = inside.Silence(encodeFilter(templateFilter(e.cfg.Filter, root.script))), false
	// The kernel refuses an overlay of a directory with a mount below it, and a new procfs if parts of the old one are covered. So the
	// template covers no files.
	o.Plan = slices.DeleteFunc(slices.Clone(o.Plan), func(n inside.Node) bool { return n.Op == inside.Cover || n.Op == inside.Subset })
	for i, n := range o.Plan {
		switch n.Op {
		case inside.Tree:
			o.Plan[i].Op = inside.Bind
		case inside.Proc:
			o.Plan[i].Op = inside.AllProc
		}
	}
	o.Plan = append(o.Plan, e.python.TemplateFile())
	return o
}

// templateError names the template that failed.
func templateError(name string, err error) error { return fmt.Errorf("template %q: %w", name, err) }
