// Package v1 implements the typed API of the service: POST /v1/runs, DELETE /v1/runs/{id} and GET /v1/meta (meta.go). Requests
// and answers are Go types (request.go, answer.go). huma derives JSON Schemas from them, which validate requests (check.go) and
// describe the API (openapi.go). An answer is JSON, or a stream of events while the program runs (stream.go). Each error has a
// Kind of problem (problem.go).
//
// Package api checks the Host header and the origin, and reads the body, as for its other routes.
package v1
