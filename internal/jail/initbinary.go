package jail

import (
	"embed"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// embedded holds cmd/sandboxd-init, compiled by make before this package is (see
// initbinary/README.md).
//
//go:embed initbinary
var embedded embed.FS

// Its two forms in there: a program, and a module for templates.
const (
	embeddedInit = "initbinary/sandboxd-init"
	embeddedFork = "initbinary/sandboxd-fork.so"
)

// openEmbedded makes what is embedded executable: as a sealed file in memory, so that no file of the host's
// need be trusted.
func openEmbedded(name string) (*os.File, error) {
	program, err := embedded.ReadFile(name)
	if err != nil {
		return nil, errors.New("this program was built without the init that it carries: build it with make")
	}
	const shown = "init" // in the maps of a program that was forked; it names nobody
	// MFD_EXEC is Linux 6.3; older kernels refuse the flag, and mean it.
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
