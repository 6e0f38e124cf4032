package seccompprofiles

import (
	"fmt"
	"runtime"
	"slices"
	"sync"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// maxNumber is above the number of every system call that has a name, with a large margin.
const maxNumber = 1024

// recent are calls that the oldest supported libseccomp does not know. Since Linux 5.1 a new call has the same number on every
// architecture.
var recent = map[uint32]string{
	unix.SYS_SET_MEMPOLICY_HOME_NODE: "set_mempolicy_home_node",
	unix.SYS_CACHESTAT:               "cachestat",
	unix.SYS_FCHMODAT2:               "fchmodat2",
	unix.SYS_MAP_SHADOW_STACK:        "map_shadow_stack",
	unix.SYS_FUTEX_WAKE:              "futex_wake",
	unix.SYS_FUTEX_WAIT:              "futex_wait",
	unix.SYS_FUTEX_REQUEUE:           "futex_requeue",
	unix.SYS_STATMOUNT:               "statmount",
	unix.SYS_LISTMOUNT:               "listmount",
	unix.SYS_LSM_GET_SELF_ATTR:       "lsm_get_self_attr",
	unix.SYS_LSM_SET_SELF_ATTR:       "lsm_set_self_attr",
	unix.SYS_LSM_LIST_MODULES:        "lsm_list_modules",
	unix.SYS_MSEAL:                   "mseal",
	unix.SYS_SETXATTRAT:              "setxattrat",
	unix.SYS_GETXATTRAT:              "getxattrat",
	unix.SYS_LISTXATTRAT:             "listxattrat",
	unix.SYS_REMOVEXATTRAT:           "removexattrat",
	unix.SYS_OPEN_TREE_ATTR:          "open_tree_attr",
	unix.SYS_FILE_GETATTR:            "file_getattr",
	unix.SYS_FILE_SETATTR:            "file_setattr",
}

// names returns the names of a machine's system calls by number; "" for a number without a call.
func (m machine) names() []string {
	names := make([]string, maxNumber)
	for nr := range names {
		name, err := seccomp.ScmpSyscall(nr).GetNameByArch(m.scmp)
		if err != nil {
			name = recent[uint32(nr)]
		}
		names[nr] = name
	}
	return names
}

// native returns the machine that this program runs on.
func native() (machine, error) {
	i := slices.IndexFunc(machines, func(m machine) bool { return m.goarch == runtime.GOARCH })
	if i < 0 {
		return machine{}, fmt.Errorf("no profile is made for %s", runtime.GOARCH)
	}
	return machines[i], nil
}

var nativeNames = sync.OnceValue(func() []string {
	m, err := native()
	if err != nil {
		return nil
	}
	return m.names()
})

// Name returns the name of a system call of this machine, or "" if the number has none.
func Name(number uint32) string {
	if names := nativeNames(); number < uint32(len(names)) {
		return names[number]
	}
	return ""
}

// Counted returns the names of the calls of this machine whose denial a program (Filter.Program) counts, at least for some arguments,
// sorted.
func Counted(program []unix.SockFilter) []string {
	m, err := native()
	if err != nil {
		return nil
	}
	var names []string
	for number, name := range nativeNames() {
		if name == "" {
			continue
		}
		for a := range outcomes(program, m.audit, uint32(number)) {
			if a&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF && a != announcement {
				names = append(names, name)
				break
			}
		}
	}
	slices.Sort(names)
	return names
}
