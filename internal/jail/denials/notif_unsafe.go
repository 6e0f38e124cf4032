package denials

import (
	"encoding/binary"
	"math"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is a struct seccomp_notif of linux/seccomp.h: a call that waits for its answer. The
// arguments are values; what the program's memory holds is not looked at.
type notification struct {
	id     uint64
	number uint32
	arch   uint32 // AUDIT_ARCH_*
	args   [6]uint64
}

// Offsets in struct seccomp_notif, and our knowledge of the sizes: a kernel's may be larger.
const (
	notifID     = 0
	notifNumber = 16 // after pid and flags
	notifArch   = 20
	notifArgs   = 32 // after the instruction pointer
	notifSize   = 80
	answerSize  = 24
)

// notifSizes asks the kernel for the sizes of its structs (SECCOMP_GET_NOTIF_SIZES).
var notifSizes = sync.OnceValues(func() (notif, answer int) {
	var sizes struct{ notif, answer, data uint16 }
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	if errno != 0 {
		return notifSize, answerSize
	}
	return max(notifSize, int(sizes.notif)), max(answerSize, int(sizes.answer))
})

// notifBuffers hold one of each struct.
type notifBuffers struct{ notif, answer []byte }

func newNotifBuffers() notifBuffers {
	notif, answer := notifSizes()
	return notifBuffers{make([]byte, notif), make([]byte, answer)}
}

// receive takes the next call that waits. It blocks when none does: poll first. ENOENT: the caller
// was killed meanwhile.
func (b notifBuffers) receive(listener uintptr) (n notification, err error) {
	clear(b.notif) // or EINVAL
	if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, b.notif); err != nil {
		return n, err
	}
	n.id = binary.NativeEndian.Uint64(b.notif[notifID:])
	n.number = binary.NativeEndian.Uint32(b.notif[notifNumber:])
	n.arch = binary.NativeEndian.Uint32(b.notif[notifArch:])
	for i := range n.args {
		n.args[i] = binary.NativeEndian.Uint64(b.notif[notifArgs+8*i:])
	}
	return n, nil
}

// refuse has a call return an errno, 1 to 4095. Never SECCOMP_USER_NOTIF_FLAG_CONTINUE: what the
// kernel would go on with may be another call by then. ENOENT: the caller was killed meanwhile.
func (b notifBuffers) refuse(listener uintptr, id uint64, errno unix.Errno) error {
	clear(b.answer)
	binary.NativeEndian.PutUint64(b.answer, id)
	binary.NativeEndian.PutUint32(b.answer[16:], math.MaxUint32-uint32(errno)+1) // after the value of a success
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, b.answer)
}

func ioctl(fd uintptr, request uint, buffer []byte) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(unsafe.Pointer(&buffer[0])))
		switch errno {
		case 0:
			return nil
		case unix.EINTR: // the runtime's own signals
		default:
			return errno
		}
	}
}
