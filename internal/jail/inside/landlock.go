package inside

import "golang.org/x/sys/unix"

// restrictFiles applies a ruleset to this process and its children (landlock_restrict_self(2)). This needs no capability, because
// no_new_privs is set.
func (a *assembler) restrictFiles(set Ruleset) {
	// The second field, handled_access_net, is 0: the program has its own loopback, so no network right is restricted. An older kernel
	// without the last fields accepts them if they are 0 (landlock_create_ruleset(2)).
	attr := a.words(set.Handled, 0, set.Scoped)
	ruleset := a.cell()
	a.call("landlock_create_ruleset", unix.SYS_LANDLOCK_CREATE_RULESET, at(attr), num(3*8), num(0)).to(ruleset)
	for _, rule := range set.Rules {
		beneath := a.put(make([]byte, 8+4)) // struct landlock_path_beneath_attr, packed: rights, a descriptor
		parent := cell(beneath + 8)
		copy(a.data[beneath:], wordBytes(rule.Rights))
		open, next := a.call("open "+rule.Path, unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text(rule.Path), num(unix.O_PATH|unix.O_CLOEXEC)), &label{}
		open.to(parent)
		if rule.Optional {
			open.unless(unix.ENOENT, next)
		}
		a.call("landlock_add_rule "+rule.Path, unix.SYS_LANDLOCK_ADD_RULE, ruleset.value(),
			num(unix.LANDLOCK_RULE_PATH_BENEATH), at(beneath), num(0))
		a.close(parent)
		a.mark(next)
	}
	a.call("landlock_restrict_self", unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset.value(), num(0))
	a.close(ruleset)
}
