package scan

// verdict is a finding before its place is turned into lines and columns.
type verdict struct {
	rule, name string
	at         span
}

// judge decides the mentions, in source order. It runs when every binding is known.
func (w *walk) judge() ([]verdict, error) {
	for _, a := range w.assigned {
		for _, path := range w.meanings(a.of) {
			if path += "." + a.member; importFunctions.has(path) {
				w.imported[a.name] = append(w.imported[a.name], path)
			}
		}
	}
	var verdicts []verdict
	for _, m := range w.mentions {
		if len(verdicts) == MaxFindings {
			break
		}
		switch m.when {
		case ifUnbound:
			bound, ok := w.bound(m.name, m.scope)
			if !ok {
				return nil, ErrBudget
			}
			if bound {
				continue
			}
		case ifRestricted:
			restricted := false
			for _, path := range w.meanings(m.of) {
				if name, ok := w.rules.restrictedMember(path + "." + m.name); ok {
					m.verdict.rule, m.verdict.name, restricted = RuleMember, name, true
				}
			}
			if !restricted {
				continue
			}
		case ifImporting:
			imports := false
			path := m.name
			if m.of != "" {
				path = m.of + "." + m.name
			}
			for _, path := range w.meanings(path) {
				imports = imports || importFunctions.has(path)
			}
			if !imports {
				continue
			}
		}
		verdicts = append(verdicts, m.verdict)
	}
	return verdicts, nil
}

// meanings returns the paths that a dotted name can stand for, according to the imports of its first part.
func (w *walk) meanings(name string) []string {
	first, rest := name, ""
	if i := indexDot(name); i >= 0 {
		first, rest = name[:i], name[i:]
	}
	paths := make([]string, 0, len(w.imported[first]))
	for _, path := range w.imported[first] {
		paths = append(paths, path+rest)
	}
	return paths
}

// bound reports whether a name that is read in s is bound by the user's own code. ok is false if the budget is used up. Names bound
// in a class are not visible in its functions. The order of statements does not matter: a name that is bound anywhere in a
// scope is the user's in all of that scope.
func (w *walk) bound(name string, s *scope) (bound, ok bool) {
	for at := s; at != nil; at = at.parent {
		if !w.tick() {
			return false, false
		}
		if at.global[name] {
			return w.module.binds[name], true
		}
		if at.binds[name] && (at == s || at.kind != classScope) {
			return true, true
		}
	}
	return false, true
}
