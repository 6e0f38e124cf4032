// Package connlimit limits the connections of an HTTP listener, in total and for each client. It makes room for new connections by
// closing idle ones.
//
//	bounded := connlimit.New(listener, connlimit.Limits{Total: 1024, PerClient: 512})
//	server := &http.Server{Handler: h, ConnState: bounded.ConnState}
//	err := server.Serve(bounded)
//
// A connection is idle until the header of its first request is complete, and between two requests. If a new connection would exceed
// a limit, it replaces the connection that has been idle longest: one of the same client if the client is at its limit, otherwise
// any. A connection with a request in progress is never closed to make room. If all connections have a request in progress, the new
// one gets a 503 with Retry-After and is closed. If some of them have sent bytes that the server has not handled yet, the new
// connection first waits for the server, for a second at most.
//
// A client is an IPv4 address, or the first 64 bits of an IPv6 address, because a network usually assigns a /64 to one customer. Unix
// sockets have no address, so they have no limit for each client.
package connlimit
