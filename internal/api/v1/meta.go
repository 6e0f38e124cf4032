package v1

import (
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// MetaPath is the path of the description of the service.
const MetaPath = "/v1/meta"

// Features are the parts of the API that a service of an earlier version may lack. Names are added and never change.
var Features = []string{"streams", "cancel", "displays", "files", "live"}

// Meta describes the service: the names that a request may use, and the limits that it may set.
type Meta struct {
	Version            string     `json:"version" doc:"Of the daemon."`
	Environments       []string   `json:"environments" nullable:"false" doc:"Names for the field environment of a request."`
	DefaultEnvironment string     `json:"default_environment" doc:"For a request that names none."`
	Policies           []string   `json:"policies" nullable:"false" doc:"Names for the field policy of a request."`
	DefaultPolicy      string     `json:"default_policy" doc:"For a request that names none."`
	Limits             MetaLimits `json:"limits"`
	Features           []string   `json:"features" nullable:"false" doc:"Parts of the API that a service of an earlier version may lack." example:"[\"streams\"]"`
}

// MetaLimits has the bounds of each limit that a run may set for itself.
type MetaLimits struct {
	WallSeconds MetaNumber  `json:"wall_seconds"`
	CPUSeconds  MetaNumber  `json:"cpu_seconds"`
	MemoryBytes MetaInteger `json:"memory_bytes"`
	Processes   MetaInteger `json:"processes"`
	OutputBytes MetaInteger `json:"output_bytes"`
}

// MetaNumber has the bounds of a limit that is a number.
type MetaNumber struct {
	Minimum float64 `json:"minimum" doc:"The smallest value that a run may set."`
	Default float64 `json:"default" doc:"For a run that sets none."`
	Maximum float64 `json:"maximum" doc:"The largest value that a run may set."`
}

// MetaInteger has the bounds of a limit that is an integer.
type MetaInteger struct {
	Minimum int64 `json:"minimum"`
	Default int64 `json:"default"`
	Maximum int64 `json:"maximum"`
}

// newMeta returns the answer to GET /v1/meta as JSON. It does not change while the service runs.
func (a *API) newMeta() []byte {
	policies, standard := a.cfg.Service.Policies()
	limits, most := a.cfg.Service.Limits(), a.cfg.Service.Max()
	text, err := json.Marshal(Meta{
		Version:      a.cfg.Version,
		Environments: a.cfg.Environments, DefaultEnvironment: sandbox.DefaultTemplate,
		Policies: policies, DefaultPolicy: standard,
		Limits: MetaLimits{
			WallSeconds: MetaNumber{sandbox.MinWall.Seconds(), limits.Wall.Seconds(), most.Wall.Seconds()},
			CPUSeconds:  MetaNumber{sandbox.MinWall.Seconds(), limits.MostCPUTime().Seconds(), most.MostCPUTime().Seconds()},
			MemoryBytes: MetaInteger{sandbox.MinMemory, limits.Memory, most.Memory},
			Processes:   MetaInteger{sandbox.MinPids, int64(limits.Pids), int64(most.Pids)},
			OutputBytes: MetaInteger{minOutput, limits.Output, most.Output},
		},
		Features: Features,
	})
	if err != nil {
		panic(err) // all values are strings and numbers: please report this bug
	}
	return text
}

// Meta handles GET /v1/meta.
func (a *API) Meta(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(a.meta)))
	_, _ = w.Write(a.meta) // an error means that the client has closed the connection
}
