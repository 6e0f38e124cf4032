// Package connlimit bounds the connections of an HTTP listener, in all and for each client, and makes room
// for newcomers by closing connections that do nothing.
//
//	bounded := connlimit.New(listener, connlimit.Limits{Total: 1024, PerClient: 512})
//	server := &http.Server{Handler: h, ConnState: bounded.ConnState}
//	err := server.Serve(bounded)
//
// A connection is idle from when it is accepted until the head of its first request is complete, and again
// between two requests. A newcomer that meets a limit takes the place of the connection that has been idle
// longest: of its own client's where that client has as many as it may, else of all. A connection with a
// request under way is never closed for a newcomer. Where every connection has one, the newcomer is told so
// (503 with Retry-After) and its connection is closed. Where some have only sent bytes that the server has not handled
// yet, the newcomer waits for that first, a second at most.
//
// A client is an IPv4 address, or the first 64 bits of an IPv6 address, since that is what a network gives to
// one customer. Unix sockets have no address, so that there is no limit for each client on them.
package connlimit
