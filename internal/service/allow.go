package service

import (
	"slices"
	"strings"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// allow applies the policy and the environments of the caller's key. A request without a policy gets the key's policy. A request
// without an environment gets the default one if the key allows it, otherwise the first environment of the key.
func allow(request *Request) error {
	key := request.Caller.Key
	if key == nil {
		return nil
	}
	if key.Policy != "" {
		if request.Policy != "" && request.Policy != key.Policy {
			return &sandbox.InvalidError{Path: []string{"policy"}, Reason: "is not allowed to this key, which has the policy " + key.Policy}
		}
		request.Policy = key.Policy
	}
	if named := request.Program.Template; len(key.Environments) > 0 && !slices.Contains(key.Environments, named) {
		switch {
		case named != "":
			return &sandbox.InvalidError{Path: []string{"environment"}, Reason: "is not allowed to this key, which has " + strings.Join(key.Environments, ", ")}
		case !slices.Contains(key.Environments, sandbox.DefaultTemplate):
			request.Program.Template = key.Environments[0]
		}
	}
	return nil
}

// mostFor returns the largest limits that a run may set for itself under a key, which may be nil. A key can only lower the
// maximums of the service.
func (s *Service) mostFor(key *callers.Key) sandbox.Limits {
	most := s.cfg.Max
	if key != nil && key.Wall() > 0 {
		most.Wall = min(most.Wall, key.Wall())
	}
	if key != nil && key.MemoryBytes > 0 {
		most.Memory = min(most.Memory, key.MemoryBytes)
	}
	return most
}

// bounds returns the limits that apply to the request's program. If the program sets no limit and the default is above the
// maximum of the caller's key, the limit is that maximum.
func (s *Service) bounds(request Request) sandbox.Bounds {
	bounds, most := request.Program.Limits, s.mostFor(request.Caller.Key)
	if bounds.Wall == 0 && most.Wall < s.cfg.Limits.Wall {
		bounds.Wall = most.Wall
	}
	if bounds.Memory == 0 && most.Memory < s.cfg.Limits.Memory {
		bounds.Memory = most.Memory
	}
	return bounds
}

// LimitsOf returns the limits under which a request's program runs.
func (s *Service) LimitsOf(request Request) sandbox.Limits {
	return s.cfg.Limits.With(s.bounds(request))
}

// place returns the caller to which the queue attributes a run.
func place(c callers.Caller) admission.Caller {
	of := admission.Caller{ID: c.ID()}
	if c.Key != nil {
		of.Concurrency = c.Key.Concurrency
	}
	return of
}
