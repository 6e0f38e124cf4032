package jail

import (
	"embed"
	"errors"
	"fmt"
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

// leastInitFD keeps the embedded init clear of the descriptors that an init is given.
const leastInitFD = 10

// initBinary is what a run executes first.
type initBinary struct {
	path string
	file *os.File // what path leads to
}

// openInit makes the embedded init executable: as a sealed file in memory, so that no file of the
// host's need be trusted.
func openInit() (initBinary, error) {
	file, err := openEmbedded(embeddedInit)
	if err != nil {
		return initBinary{}, err
	}
	return initBinary{path: fmt.Sprintf("/proc/self/fd/%d", file.Fd()), file: file}, nil
}

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
	// The path names a descriptor, and is looked up when 0 to 3 are the init's own already.
	high, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, leastInitFD)
	unix.Close(fd)
	if err != nil {
		return nil, os.NewSyscallError("F_DUPFD_CLOEXEC", err)
	}
	file := os.NewFile(uintptr(high), name)
	if _, err := file.Write(program); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(os.NewSyscallError("F_ADD_SEALS", err), file.Close())
	}
	return file, nil
}

func (b initBinary) close() error { return b.file.Close() }
