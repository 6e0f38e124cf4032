package denials

import (
	"encoding/binary"
	"math"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// notification is a struct seccomp_notif of linux/seccomp.h: a call that waits for its answer. Arguments that are pointers are not
// followed.
type notification struct {
	id     uint64
	pid    int // of the thread, in the pid namespace of the process that receives; 0 if that does not contain it
	number uint32
	arch   uint32 // AUDIT_ARCH_*
	args   [6]uint64
}

// Offsets in struct seccomp_notif, and the sizes of the structs in Linux 5.0. A newer kernel may have larger structs.
const (
	notifID     = 0
	notifPID    = 8
	notifNumber = 16 // after flags
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

// notifBuffers holds one struct seccomp_notif and one struct seccomp_notif_resp.
type notifBuffers struct{ notif, answer []byte }

func newNotifBuffers() notifBuffers {
	notif, answer := notifSizes()
	return notifBuffers{make([]byte, notif), make([]byte, answer)}
}

// receive receives the next waiting call. It blocks if there is none, so poll must have reported one. The error is ENOENT if the caller
// was killed in the meantime.
func (b notifBuffers) receive(listener uintptr) (n notification, err error) {
	clear(b.notif) // the kernel returns EINVAL if the buffer is not zero
	if err := ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, b.notif); err != nil {
		return n, err
	}
	n.id = binary.NativeEndian.Uint64(b.notif[notifID:])
	n.pid = int(binary.NativeEndian.Uint32(b.notif[notifPID:]))
	n.number = binary.NativeEndian.Uint32(b.notif[notifNumber:])
	n.arch = binary.NativeEndian.Uint32(b.notif[notifArch:])
	for i := range n.args {
		n.args[i] = binary.NativeEndian.Uint64(b.notif[notifArgs+8*i:])
	}
	return n, nil
}

// waits reports whether a call still waits for its answer. If it does, the process id that came with it still belongs to the caller.
func (b notifBuffers) waits(listener uintptr, id uint64) bool {
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, binary.NativeEndian.AppendUint64(nil, id)) == nil
}

// proceed lets the kernel execute a call. Before the kernel continues, the program may change the memory to which arguments point
// (seccomp_unotify(2)). So proceed is only for calls that the filter allows whatever that memory contains. The error is ENOENT if the
// caller has been killed.
func (b notifBuffers) proceed(listener uintptr, id uint64) error {
	clear(b.answer)
	binary.NativeEndian.PutUint64(b.answer, id)
	binary.NativeEndian.PutUint32(b.answer[20:], unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE)
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, b.answer)
}

// refuse makes a call return an errno, from 1 to 4095. The error is ENOENT if the caller was killed in the meantime.
func (b notifBuffers) refuse(listener uintptr, id uint64, errno unix.Errno) error {
	clear(b.answer)
	binary.NativeEndian.PutUint64(b.answer, id)
	binary.NativeEndian.PutUint32(b.answer[16:], math.MaxUint32-uint32(errno)+1) // field error: -errno; the field val before it stays 0
	return ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, b.answer)
}

func ioctl(fd uintptr, request uint, buffer []byte) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, uintptr(request), uintptr(unsafe.Pointer(&buffer[0])))
		switch errno {
		case 0:
			return nil
		case unix.EINTR: // Go's runtime sends signals to its threads
		default:
			return errno
		}
	}
}
