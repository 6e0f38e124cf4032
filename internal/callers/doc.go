// Package callers identifies callers and limits their request rates: API keys and their file, the identity of requests without a key,
// and rate limits. It knows no jail and no policy.
//
//	ring := callers.NewKeyring("/etc/sandboxd/keys")
//	err := ring.Load()                   // repeat after each change of the file
//	key := ring.Find(token, time.Now())  // nil: no valid key
package callers
