package spawn

import (
	"embed"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// embedded holds cmd/sandboxd-init, which make compiles before this package (see initbinary/README.md).
//
//go:embed initbinary
var embedded embed.FS

// The init as a program, and as a module for templates.
const (
	embeddedInit = "initbinary/sandboxd-init"
	embeddedFork = "initbinary/sandboxd-fork.so"
)

// OpenTemplateModule opens the module that the python3 of a template loads.
func OpenTemplateModule() (*os.File, error) { return openEmbedded(embeddedFork) }

// openEmbedded copies an embedded file to a sealed file in memory (memfd_create(2)), from which it can be executed. So the daemon does not
// depend on a file of the host.
func openEmbedded(name string) (*os.File, error) {
	program, err := embedded.ReadFile(name)
	if err != nil {
		return nil, errors.New("this sandboxd was built without its embedded init; build it with make")
	}
	const shown = "init" // programs that are forked see this name in /proc/self/maps
	// Linux 6.3 and later need MFD_EXEC. Older kernels refuse the flag, and make the file executable without it.
	fd, err := unix.MemfdCreate(shown, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING|unix.MFD_EXEC)
	if errors.Is(err, unix.EINVAL) {
		fd, err = unix.MemfdCreate(shown, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := file.Write(program); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(os.NewSyscallError("F_ADD_SEALS", err), file.Close())
	}
	return file, nil
}
