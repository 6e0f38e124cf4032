package callers

import (
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"sync/atomic"
	"time"
)

// Keyring holds the keys of a file. It is safe for concurrent use.
type Keyring struct {
	path    string
	loading sync.Mutex
	keys    atomic.Pointer[[]Key] // the slice is immutable
}

// NewKeyring returns a keyring without keys. Load reads them.
func NewKeyring(path string) *Keyring {
	k := &Keyring{path: path}
	k.keys.Store(new([]Key))
	return k
}

// Path returns the path of the file.
func (k *Keyring) Path() string { return k.path }

// Load reads the file. If that fails, the keyring keeps the keys that it has.
func (k *Keyring) Load() error {
	k.loading.Lock() // so that the later of two calls stores its keys last
	defer k.loading.Unlock()
	keys, err := Read(k.path)
	if err != nil {
		return err
	}
	k.keys.Store(&keys)
	return nil
}

// Len returns the number of keys.
func (k *Keyring) Len() int { return len(*k.keys.Load()) }

// Find returns the key of a token, or nil if the token is unknown or its key has expired. It compares the token's digest with
// all keys in constant time, so its duration reveals only the number of keys.
func (k *Keyring) Find(token string, now time.Time) *Key {
	digest := sha256.Sum256([]byte(token))
	keys, at := *k.keys.Load(), -1
	for i := range keys {
		at = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(digest[:], keys[i].SHA256[:]), i, at)
	}
	if at < 0 || keys[at].Expired(now) {
		return nil
	}
	return &keys[at]
}
