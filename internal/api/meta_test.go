package api

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/service"
)

// GET /v1/meta returns the configuration, as the OpenAPI document describes it.
func TestMeta(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) {
		c.Templates, c.Policy = []string{"data", "default"}, "strict"
		c.Policies = map[string]service.Policy{"off": {Scanner: scanFunc(findsNothing)}}
		c.Limits.Wall, c.Limits.Output = 1500*time.Millisecond, 0
		c.Max = c.Limits
		c.Max.Wall, c.Max.Memory, c.Max.Pids, c.Max.Output = time.Minute, 1<<30, 300, 1<<20
	})
	doc := documentOf(t, s)
	a := s.call(t, "GET", v1.MetaPath, "")
	doc.conformsTo(t, doc.Paths.Value(v1.MetaPath).Get, a)
	var got v1.Meta
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.StatusCode != 200 {
		t.Fatalf("%d %s: %v", a.StatusCode, a.body, err)
	}
	want := v1.Meta{
		Version:      "v0.0.0-test",
		Environments: []string{"data", "default"}, DefaultEnvironment: "default",
		Policies: []string{"off", "strict"}, DefaultPolicy: "strict",
		Limits: v1.MetaLimits{
			WallSeconds: v1.MetaNumber{Minimum: 0.01, Default: 1.5, Maximum: 60},
			CPUSeconds:  v1.MetaNumber{Minimum: 0.01, Default: 1.5, Maximum: 60},
			MemoryBytes: v1.MetaInteger{Minimum: 16 << 20, Default: 256 << 20, Maximum: 1 << 30},
			Processes:   v1.MetaInteger{Minimum: 1, Default: 256, Maximum: 300},
			OutputBytes: v1.MetaInteger{Minimum: 1, Default: 0, Maximum: 1 << 20},
		},
		Features: v1.Features,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v\nwant %+v", got, want)
	}
	// The limits are the same as in the schema that validates requests.
	limits := doc.Components.Schemas["RunLimits"].Value.Properties
	for name, bounds := range map[string][2]float64{
		"wall_seconds": {got.Limits.WallSeconds.Minimum, got.Limits.WallSeconds.Maximum},
		"cpu_seconds":  {got.Limits.CPUSeconds.Minimum, got.Limits.CPUSeconds.Maximum},
		"memory_bytes": {float64(got.Limits.MemoryBytes.Minimum), float64(got.Limits.MemoryBytes.Maximum)},
		"processes":    {float64(got.Limits.Processes.Minimum), float64(got.Limits.Processes.Maximum)},
		"output_bytes": {float64(got.Limits.OutputBytes.Minimum), float64(got.Limits.OutputBytes.Maximum)},
	} {
		if schema := limits[name].Value; *schema.Min != bounds[0] || *schema.Max != bounds[1] {
			t.Errorf("%s: %v, in the schema %v to %v", name, bounds, *schema.Min, *schema.Max)
		}
		delete(limits, name)
	}
	if len(limits) > 0 {
		t.Errorf("it lacks the limits %v", limits)
	}
}

// The test provokes each described answer of GET /v1/meta.
func TestMetaAnswers(t *testing.T) {
	doc := documentOf(t, serve(t, exits("", ""), nil))
	operation := doc.Paths.Value(v1.MetaPath).Get
	s := serve(t, exits("", ""), func(c *setup) { c.Hosts = hosts(t, NamedHosts, "a.example") })
	a := s.call(t, "GET", v1.MetaPath, "")
	doc.conformsTo(t, operation, a)
	if a.StatusCode != 400 || operation.Responses.Len() != 2 {
		t.Errorf("%d of %d", a.StatusCode, operation.Responses.Len())
	}
	s = serve(t, exits("", ""), nil)
	s.Drain() // it needs no slot
	if a := s.call(t, "GET", v1.MetaPath, ""); a.StatusCode != 200 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := s.call(t, "POST", v1.MetaPath, ""); a.StatusCode != 405 || doc.holds("Problem", a.body) != nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
