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

// Engine fork: a template is a jail whose python3 has imported the modules that the operator names, and from which runs are forked
// (template.py of package python). The child is born in namespaces and a cgroup of its own, below those of the template, and replays
// the same script as every init. So a run shares nothing with other runs but a copy of the template's memory, which is as it was
// before any user came.
//
// A template keeps the capabilities that jailing its children takes, over its own namespaces, for as long as it lives. No code or
// data of a user ever reaches it. It is renewed on a schedule, and when it fails.

const (
	templatePatience = time.Minute // for its imports

	// stuckShare: a template may take one such part of the patience for setting up a run for its next answer. So there is time to
	// start the run by another template.
	stuckShare = 8

	// templateMemory is what a template may take, in bytes. A run is charged for what it changes of that memory, and for no more.
	templateMemory = 1 << 30

	// templateOutput is how much is kept of what a template prints, in bytes. It is shown when the template fails.
	templateOutput = 64 << 10
)

// template is one interpreter to fork from.
type template struct {
	*spawn.Template
	jail  *jail
	ended chan struct{} // closed when nothing is left of it
}

// startTemplate starts an interpreter and has it import the modules of an environment, unless ctx ends.
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

// importModules makes the interpreter of a jail a template, and waits until it has imported its modules.
func (j *jail) importModules(ctx context.Context, control *os.File, modules []string) error {
	p := j.process
	what := inside.Handover{Template: true, Modules: modules, Display: j.env.python.Display()}.Encode()
	return p.converse(ctx, templatePatience, nil, what, func() (string, error) {
		// The descriptors come with a byte of their own. A read of the bytes before it would discard them.
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

// templateOrder describes the jail of a template to its init. It has the same root as a run, and the rights to jail its children. It
// binds the directories of which its children have inodes of their own, and has all files of the /proc of its pid namespace.
func (e *environment) templateOrder() *inside.Order {
	root := e.root.Load()
	o := e.order(root)
	o.UID, o.GID = e.host.templateID.UID, e.host.templateID.GID
	o.Role = inside.Template
	o.Filter, o.Listen = inside.Silence(encodeFilter(templateFilter(e.cfg.Filter, root.script))), false
	// Nothing may be mounted below a tree that an overlay is to show, nor on a procfs beside which others are to be mounted.
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
