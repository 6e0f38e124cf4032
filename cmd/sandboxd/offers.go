package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
)

// maxima returns the largest limits that a run may set for itself.
func (s *settings) maxima() sandbox.Limits {
	most := s.limits()
	most.Wall = cmp.Or(s.MaxWall, most.Wall)
	most.CPUTime = s.MaxCPU
	most.Memory = cmp.Or(int64(s.MaxMemory), most.Memory)
	most.Pids = cmp.Or(s.MaxPids, most.Pids)
	most.Output = cmp.Or(int64(s.MaxOutput), most.Output)
	return most
}

// policies returns the policies that a request may name: the default policy, which has the scanner own, and the offered ones.
func (s *settings) policies(own *scan.Scanner) (map[string]service.Policy, error) {
	strict, err := scan.New(scan.Config{Policy: scan.Strict})
	if err != nil {
		return nil, err
	}
	policies := map[string]service.Policy{}
	for _, name := range append([]string{s.Policy}, s.OfferPolicy...) {
		scanner := own
		if name != s.Policy {
			if scanner, err = scan.New(scan.Config{Policy: scan.Policy(name)}); err != nil {
				return nil, err
			}
		}
		policy := service.Policy{Scanner: scanner, Nulled: scanner.Nulled()}
		if scan.Policy(name) == scan.Permissive {
			policy.Warn = strict
		}
		policies[name] = policy
	}
	return policies, nil
}

// checkPolicies returns an error for the first name that is not the name of a policy.
func checkPolicies(names []string) error {
	known := []string{string(scan.Strict), string(scan.Permissive), string(scan.Off)}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no policy %q: give some of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}
