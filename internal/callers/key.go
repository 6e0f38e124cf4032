package callers

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// tokenPrefix lets people and secret scanners recognise a token.
const tokenPrefix = "sbx_"

// Key is an API key as stored in the file, without its token. A limit of zero is not set.
type Key struct {
	Name    string    `json:"name"`
	SHA256  Digest    `json:"sha256"` // of the token
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"`

	Rate         float64  `json:"rate,omitempty"`         // runs per second
	Burst        int      `json:"burst,omitempty"`        // runs at once
	Concurrency  int      `json:"concurrency,omitempty"`  // runs at the same time
	WallSeconds  float64  `json:"wall_seconds,omitempty"` // maximum of a run
	MemoryBytes  int64    `json:"memory_bytes,omitempty"` // maximum of a run
	Policy       string   `json:"policy,omitempty"`       // the only policy that its holder may use
	Environments []string `json:"environments,omitempty"` // the only environments that its holder may use
}

// Digest is a SHA-256, in hexadecimal digits in the file.
type Digest [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (d Digest) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(d[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Digest) UnmarshalText(text []byte) error {
	if hex.DecodedLen(len(text)) != len(d) {
		return fmt.Errorf("%q is not a SHA-256 in hexadecimal digits", text)
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// NewToken returns a token of 256 random bits, and its digest.
func NewToken() (token string, digest Digest) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // it never fails (crypto/rand)
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, sha256.Sum256([]byte(token))
}

// Wall returns the maximum of a run's wall clock, or 0.
func (k *Key) Wall() time.Duration { return time.Duration(k.WallSeconds * float64(time.Second)) }

// Expired reports whether the key is no longer valid.
func (k *Key) Expired(now time.Time) bool { return !k.Expires.IsZero() && !now.Before(k.Expires) }

const maxName = 64 // bytes

// check returns an error for the first invalid field.
func (k *Key) check() error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	switch {
	case k.Name == "" || len(k.Name) > maxName || strings.Trim(k.Name, letters) != "":
		return fmt.Errorf("%q is no name of a key: give 1 to %d letters, digits, \".\", \"_\" and \"-\"", k.Name, maxName)
	case k.SHA256 == Digest{}:
		return fmt.Errorf("key %q has no sha256", k.Name)
	case k.Rate < 0 || k.Rate > maxRate || k.Burst < 0 || k.Burst > maxRate:
		return fmt.Errorf("key %q: rate is %v and burst is %d: give 0 to %d", k.Name, k.Rate, k.Burst, maxRate)
	case k.Concurrency < 0 || k.Concurrency > maxRate:
		return fmt.Errorf("key %q: concurrency is %d: give 0 to %d", k.Name, k.Concurrency, maxRate)
	case k.WallSeconds != 0 && (k.WallSeconds < sandbox.MinWall.Seconds() || k.WallSeconds > maxWall.Seconds()):
		return fmt.Errorf("key %q: wall_seconds is %v: give %v to %v", k.Name, k.WallSeconds, sandbox.MinWall.Seconds(), maxWall.Seconds())
	case k.MemoryBytes != 0 && k.MemoryBytes < sandbox.MinMemory:
		return fmt.Errorf("key %q: memory_bytes is %d: give %d at least", k.Name, k.MemoryBytes, sandbox.MinMemory)
	case slices.Contains(k.Environments, ""):
		return fmt.Errorf("key %q: an environment has no name", k.Name)
	}
	return nil
}

// maxRate bounds rates, bursts and concurrency.
const maxRate = 1_000_000

// maxWall keeps times within a time.Duration.
const maxWall = 365 * 24 * time.Hour

// ErrNameTaken means that there is a key of that name already.
var ErrNameTaken = errors.New("there is a key of this name already: revoke it first, or choose another name")

// ErrNoSuchKey means that there is no key of that name.
var ErrNoSuchKey = errors.New("there is no key of this name: `sandboxd keys list` shows all")
