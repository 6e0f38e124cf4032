package jail

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail/spawn"
)

// keeper keeps the template of an environment: it starts one, and replaces it on a schedule and when it fails. It is a Spawner by
// the current template.
type keeper struct {
	env   *environment
	asked chan renewal
	life  context.Context // ends with close: no template is started after that
	end   context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	current *template

	started, failed atomic.Int64 // templates
}

// renewal asks for another template in the place of old, if that is still the current one.
type renewal struct {
	old    *template // nil: there was none
	answer chan error
}

// templateBackoff is how long no template is started after one that could not be.
const templateBackoff = time.Second

// newKeeper starts the first template, unless ctx ends: its imports may take a minute.
func newKeeper(ctx context.Context, e *environment) (*keeper, error) {
	k := &keeper{env: e, asked: make(chan renewal), done: make(chan struct{})}
	k.life, k.end = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, k.end)
	go k.maintain()
	err := k.renew(nil)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		k.close()
		return nil, err
	}
	return k, nil
}

// maintain renews the template, on a schedule and when it is asked to.
func (k *keeper) maintain() {
	defer close(k.done)
	tick := time.NewTicker(k.env.cfg.RenewTemplates)
	defer tick.Stop()
	var failed time.Time
	for {
		select {
		case <-k.life.Done():
			return
		case <-tick.C:
			if err := k.replace(k.get()); err != nil {
				k.env.host.cfg.Log.Error("the template could not be renewed; the old one goes on", "template", k.env.name, "error", err)
			}
		case ask := <-k.asked:
			err := spawn.ErrTemplateGone
			if time.Since(failed) > templateBackoff {
				if err = k.replace(ask.old); err != nil {
					failed = time.Now()
				}
			}
			ask.answer <- err
		}
	}
}

// replace starts a template. The old one serves until there is a new one.
func (k *keeper) replace(old *template) error {
	if k.get() != old {
		return nil
	}
	fresh, err := startTemplate(k.life, k.env)
	if err != nil {
		if k.life.Err() == nil { // otherwise the daemon ends
			k.failed.Add(1)
		}
		return templateError(k.env.name, err)
	}
	k.started.Add(1)
	k.mu.Lock()
	k.current = fresh
	k.mu.Unlock()
	if old != nil {
		old.Retire()
		k.env.pool.renew()
	}
	return nil
}

func (k *keeper) renew(old *template) error {
	ask := renewal{old, make(chan error, 1)}
	select {
	case k.asked <- ask:
		return <-ask.answer
	case <-k.done:
		return spawn.ErrTemplateGone
	}
}

func (k *keeper) get() *template {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.current
}

// Spawn implements spawn.Spawner. A template that is gone or stuck is replaced first.
func (k *keeper) Spawn(r spawn.Request) (*spawn.Init, error) {
	current := k.get()
	init, err := current.Spawn(r)
	if errors.Is(err, spawn.ErrTemplateGone) || errors.Is(err, spawn.ErrTemplateStuck) {
		k.env.host.cfg.Log.Warn("a template is replaced", "template", k.env.name, "reason", err)
		if err := k.renew(current); err != nil {
			return nil, err
		}
		init, err = k.get().Spawn(r)
	}
	return init, err
}

// close ends the template, and the runs that it has started with it.
func (k *keeper) close() {
	if k == nil {
		return
	}
	k.end()
	<-k.done
	if k.current != nil {
		k.current.Kill() // no run is in progress, and the template may be stuck
		<-k.current.ended
	}
}
