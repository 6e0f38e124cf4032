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

// The two forms of it: a program, and a module for templates.
const (
	embeddedInit = "initbinary/sandboxd-init"
	embeddedFork = "initbinary/sandboxd-fork.so"
)

// OpenTemplateModule opens the module for templates, which the python3 of a template loads.
func OpenTemplateModule() (*os.File, error) { return openEmbedded(embeddedFork) }

// openEmbedded makes an embedded file executable: as a sealed file in memory, so that no file of the host needs to be trusted.
func openEmbedded(name string) (*os.File, error) {
	program, err := embedded.ReadFile(name)
	if err != nil {
		return nil, errors.New("this program was built without the init that it carries: build it with make")
	}
	const shown = "init" // programs that are forked see this name in /proc/self/maps
	// MFD_EXEC is Linux 6.3; older kernels refuse the flag, and need none.
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
