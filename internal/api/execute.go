package api

import (
	"net/http"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// executePath is the path of the old contract for running a program.
const executePath = "/playground/execute"

// execute handles POST /playground/execute: it decodes the request, runs the program and encodes the answer.
func (s *Server) execute(w http.ResponseWriter, r *http.Request) {
	caller, err := s.admit(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	program, err := s.decode(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	request := service.Request{ID: requestID(r), Caller: caller, Program: program}
	if len(program.Source) == 0 { // an empty program writes nothing: no jail is needed
		s.cfg.Service.RecordEmpty(r.Context(), request)
		s.answerStreams(w, streams{})
		return
	}
	askedOf(r).asksFor(program.Source)
	reply, err := s.cfg.Service.Run(r.Context(), request, nil)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer reply.Close() // after the answer has been written, or the client is gone
	if reply.Verdict == sandbox.Cancelled {
		s.fail(w, r, service.ErrGone)
		return
	}
	verdictHeaders(w.Header(), reply.Outcome)
	s.answerStreams(w, streamsOf(reply.Outcome, s.cfg.Service.LimitsOf(request)))
}
