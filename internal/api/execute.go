package api

import (
	"net"
	"net/http"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// execute handles POST /playground/execute: it decodes the request, runs the program and encodes the answer.
func (s *Server) execute(w http.ResponseWriter, r *http.Request) {
	if s.foreign(r) {
		s.fail(w, r, errForeignPage)
		return
	}
	program, err := s.decode(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if len(program.Source) == 0 { // an empty program writes nothing: no jail is needed
		s.answerStreams(w, spoken{})
		return
	}
	reply, err := s.cfg.Service.Run(r.Context(), service.Request{ID: requestID(r), Client: client(r), Program: program}, nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer reply.Close() // after the answer has been written, or the client has gone
	if reply.Verdict == sandbox.Cancelled {
		s.fail(w, r, service.ErrGone)
		return
	}
	verdictHeaders(w.Header(), reply.Outcome)
	s.answerStreams(w, told(reply.Outcome, s.cfg.Service.Limits()))
}

// client returns the address that a request came from, which may be a proxy's.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
