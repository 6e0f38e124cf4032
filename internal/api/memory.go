package api

import "github.com/sandboxd/sandboxd/internal/api/v1"

const (
	// bodiesInMemory is the maximum memory of all request bodies together, in bytes, without the first smallBody bytes of each. A body is
	// in memory only until its program is decoded.
	bodiesInMemory = 64 << 20

	smallBody = v1.SmallBody
)
