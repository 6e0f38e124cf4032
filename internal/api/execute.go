package api

import (
	"net"
	"net/http"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// execute is the contract's door to the service: decode, run, encode.
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
	if len(program.Source) == 0 { // says nothing, does nothing: no jail is needed to know that
		s.answerStreams(w, spoken{})
		return
	}
	reply, err := s.cfg.Service.Run(r.Context(), service.Request{ID: requestID(r), Client: client(r), Program: program}, nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer reply.Close() // when the answer is written, or nobody is there to take it
	if reply.Verdict == sandbox.Cancelled {
		s.fail(w, r, errGone)
		return
	}
	verdictHeaders(w.Header(), reply.Outcome)
	s.answerStreams(w, told(reply.Outcome, s.cfg.Service.Limits()))
}

// client is the address that a request comes from, which may be that of a proxy.
func client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
