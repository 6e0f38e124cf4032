package v1

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// docs/api.md lists what there is: problems, fields, events, verdicts.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(text)
	for _, k := range Kinds {
		if want := fmt.Sprintf("| `/problems/%s` | %d | %s. %s |\n", k.Name, k.Status, k.Title, k.Means); !strings.Contains(docs, want) {
			t.Errorf("it lacks %s", want)
		}
	}
	if n := strings.Count(docs, "| `/problems/"); n != len(Kinds) {
		t.Errorf("it has %d problems, and there are %d", n, len(Kinds))
	}
	a := newAPI(func(context.Context, *sandbox.Stream) error { return nil })
	schemas := a.registry.Map()
	for _, schema := range []string{"RunRequest", "RunLimits", "RunAnswer", "RunTruncated", "RunUsage", "RunPhases", "RunIsolation", "RunFinding", "Meta", "MetaNumber"} {
		for field := range schemas[schema].Properties {
			if !strings.Contains(docs, "`"+field+"`") && !strings.Contains(docs, "`phases."+field+"`") {
				t.Errorf("it lacks %s of %s", field, schema)
			}
		}
	}
	for _, event := range schemas["StartedEvent"].Properties["event"].Enum {
		if !strings.Contains(docs, "`"+event.(string)+"`") {
			t.Errorf("it lacks the event %s", event)
		}
	}
	for _, feature := range Features {
		if !strings.Contains(docs, "| `"+feature+"` |") {
			t.Errorf("it lacks the feature %s", feature)
		}
	}
	for _, verdict := range verdicts {
		if !strings.Contains(docs, "`"+verdict+"`") {
			t.Errorf("it lacks the verdict %s", verdict)
		}
	}
}

// Each verdict that has an outcome has a name, which the schema lists.
func TestVerdicts(t *testing.T) {
	a := newAPI(func(context.Context, *sandbox.Stream) error { return nil })
	listed := map[string]bool{}
	for _, name := range a.registry.Map()["RunAnswer"].Properties["verdict"].Enum {
		listed[name.(string)] = true
	}
	for _, v := range sandbox.Verdicts {
		if name := verdicts[v]; v != sandbox.Failed && !listed[name] {
			t.Errorf("%s is %q", v, name)
		}
	}
	if len(listed) != len(verdicts) {
		t.Errorf("listed are %v", listed)
	}
}
