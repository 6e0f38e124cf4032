package api

// bodiesInMemory bounds the memory of all request bodies together, the first smallBody
// bytes of each aside. A body lives only until the program in it is decoded.
const (
	bodiesInMemory = 64 << 20
	smallBody      = 64 << 10
)
