package callers

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestKeyring(t *testing.T) {
	path := keysFile(t)
	now := time.Now()
	tokens := map[string]string{}
	for _, key := range []Key{{Name: "a"}, {Name: "b"}, {Name: "old", Expires: now}} {
		tokens[key.Name] = create(t, path, key)
	}
	ring := NewKeyring(path)
	if ring.Find(tokens["a"], now) != nil || ring.Len() != 0 {
		t.Error("there is a key before the file is read")
	}
	if err := ring.Load(); err != nil || ring.Len() != 3 {
		t.Fatalf("%d keys, %v", ring.Len(), err)
	}
	find := func(token string, at time.Time, want string) {
		t.Helper()
		key := ring.Find(token, at)
		if got := (Caller{Key: key}).KeyName(); got != want {
			t.Errorf("the key of %q is %q, want %q", token, got, want)
		}
	}
	find(tokens["a"], now, "a")
	find(tokens["b"], now, "b")
	find(tokens["old"], now.Add(-time.Nanosecond), "old")
	find(tokens["old"], now, "")
	find(tokens["a"]+"x", now, "")
	find(strings.ToUpper(tokens["a"]), now, "")
	find("", now, "")
	find(string(make([]byte, 32)), now, "")

	// If the file cannot be read, the keyring keeps its keys.
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ring.Load(); err == nil {
		t.Error("half a file was read")
	}
	find(tokens["a"], now, "a")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ring.Load(); err != nil {
		t.Error(err)
	}
	find(tokens["a"], now, "")
}

func TestTokensDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		token, _ := NewToken()
		if seen[token] {
			t.Fatal("a token came twice")
		}
		seen[token] = true
	}
}

func TestCallerID(t *testing.T) {
	key := &Key{Name: "a"}
	for _, tt := range []struct {
		caller Caller
		want   string
	}{
		{Caller{Key: key, Address: "192.0.2.1"}, "key a"},
		{Caller{Address: "192.0.2.1"}, "address 192.0.2.1/32"},
		{Caller{Address: "::ffff:192.0.2.1"}, "address 192.0.2.1/32"},
		{Caller{Address: "2001:db8:1:2:3:4:5:6"}, "address 2001:db8:1:2::/64"},
		{Caller{Address: "fe80::1%eth0"}, "address fe80::/64"},
		{Caller{Address: "@"}, "local"},
		{Caller{}, "local"},
	} {
		if got := tt.caller.ID(); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.caller, got, tt.want)
		}
	}
}
