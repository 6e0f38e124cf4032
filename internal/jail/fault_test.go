package jail_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// Every step of the init, made to fail: the run is a SetupError of that stage with its errno, and
// the next jail works.
func TestFailureOfEachStep(t *testing.T) {
	for _, stage := range inside.Stages {
		t.Run(stage, func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) {
				c.Limits.Wall = 5 * time.Second
				jailtest.Fault(c, stage, int(unix.ENOMEM))
			})
			_, err := j.Run(t.Context(), jail.Spec{Source: []byte("print(1)")})
			if jailtest.SetupStage(err) != stage || !errors.Is(err, unix.ENOMEM) {
				t.Errorf("got %v, want stage %s and ENOMEM", err, stage)
			}
		})
	}
}

func TestWithoutALayer(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { jailtest.Without(c, inside.StageHostname) })
	if got := jailtest.Output(t, j, "import os; print(os.uname().nodename)"); got == inside.Hostname+"\n" {
		t.Error("the host name was set all the same")
	}
}
