package callers

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	begin := time.Unix(1000, 0)
	l := NewLimiter(Rate{PerSecond: 2, Burst: 3})
	fast := Caller{Key: &Key{Name: "fast", SHA256: Digest{1}, Rate: 10}}
	plain := Caller{Key: &Key{Name: "plain", SHA256: Digest{2}}}
	home := Caller{Address: "192.0.2.1"}
	for i, tt := range []struct {
		who  Caller
		at   time.Duration
		want string // refused, remaining, next
	}{
		{home, 0, "false 2 500ms"},
		{home, 0, "false 1 500ms"},
		{home, 0, "false 0 500ms"},
		{home, 0, "true 0 500ms"},
		{home, 400 * time.Millisecond, "true 0 100ms"},
		{home, 500 * time.Millisecond, "false 0 500ms"},
		{Caller{Address: "192.0.2.2"}, 500 * time.Millisecond, "false 2 500ms"},
		{Caller{Address: "2001:db8::1"}, 0, "false 2 500ms"},
		{Caller{Address: "2001:db8::ffff"}, 0, "false 1 500ms"}, // the same /64
		{Caller{Address: "2001:db8:0:1::1"}, 0, "false 2 500ms"},
		{Caller{Address: "@"}, 0, "false 2 500ms"},
		{Caller{}, 0, "false 1 500ms"},                                     // all callers without key and address share one bucket
		{Caller{Key: plain.Key, Address: "192.0.2.1"}, 0, "false 2 500ms"}, // a key has its own bucket, with the standard rate
		{Caller{Key: plain.Key, Address: "192.0.2.9"}, 0, "false 1 500ms"},
		{fast, 0, "false 9 100ms"},
		{home, time.Hour, "false 2 500ms"}, // full again, not above its size
	} {
		g := l.Take(tt.who, begin.Add(tt.at))
		if got := fmt.Sprint(g.Refused, g.Remaining, " ", g.Next.Round(time.Millisecond)); got != tt.want {
			t.Errorf("%d, %s: %s, want %s", i, tt.who.ID(), got, tt.want)
		}
	}
}

func TestLimiterWithoutLimits(t *testing.T) {
	l := NewLimiter(Rate{})
	for range 1000 {
		if g := l.Take(Caller{Address: "192.0.2.1"}, time.Unix(0, 0)); g != (Grant{}) {
			t.Fatalf("a caller without a limit gets %+v", g)
		}
	}
	slow := Caller{Key: &Key{Name: "slow", Rate: 0.1}}
	if g := l.Take(slow, time.Unix(0, 0)); g.Refused || g.Rate.Window() != 10*time.Second {
		t.Errorf("the first request of a key with a limit: %+v", g)
	}
	if g := l.Take(slow, time.Unix(0, 0)); !g.Refused || g.Next != 10*time.Second {
		t.Errorf("the second request: %+v", g)
	}
}

// Many addresses take bounded memory. They evict neither the bucket of a key nor that of a recently used address.
func TestManyAddresses(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(Rate{PerSecond: 0.001, Burst: 1})
	key, home := Caller{Key: &Key{Name: "a", SHA256: Digest{1}}}, Caller{Address: "192.0.2.1"}
	l.Take(key, now)
	l.Take(home, now)
	for i := range 3 * maxAddresses {
		address := fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)
		if g := l.Take(Caller{Address: address}, now); g.Refused {
			t.Fatalf("%s is refused, and new", address)
		}
		if i%1000 == 0 && !l.Take(home, now).Refused {
			t.Fatalf("after %d addresses the first one is forgotten", i)
		}
	}
	if !l.Take(key, now).Refused {
		t.Error("the key has a new bucket")
	}
	if n := len(l.networks); n != maxAddresses || l.recent.Len() != n {
		t.Errorf("%d networks are remembered, want %d", n, maxAddresses)
	}
}

// A key keeps its bucket when the file is read again, and gets another one when its rate has changed.
func TestBucketsOfKeysThatAreReadAgain(t *testing.T) {
	now := time.Unix(1000, 0)
	l := NewLimiter(Rate{})
	takes := func(key Key, want int) {
		t.Helper()
		got := 0
		for range 5 {
			if !l.Take(Caller{Key: &key}, now).Refused {
				got++
			}
		}
		if got != want {
			t.Errorf("%d requests are served, want %d", got, want)
		}
	}
	key := Key{Name: "a", SHA256: Digest{1}, Rate: 1}
	takes(key, 1)
	again := key
	takes(again, 0)
	again.Rate = 2
	takes(again, 2)
	again.SHA256 = Digest{2} // another key of the same name
	takes(again, 2)
}
