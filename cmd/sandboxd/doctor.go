package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
)

type doctorCommand struct {
	JSON bool `name:"json" help:"Print the findings as JSON."`
}

// finding is the result for one layer, or for all templates, as doctor prints it.
type finding struct {
	Layer    string `json:"layer"`
	Works    bool   `json:"works"`
	Required bool   `json:"required"`
	Detail   string `json:"detail,omitempty"`
	Warning  string `json:"warning,omitempty"` // a reason for doubt, although it works
	Error    string `json:"error,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
	Cause    string `json:"cause,omitempty"`   // another layer, whose error and remedy explain this one
	Untried  bool   `json:"untried,omitempty"` // this layer could not be tried without the layer in Cause
}

func findingsOf(layers []doctor.Layer) []finding {
	findings := make([]finding, 0, len(layers))
	for _, l := range layers {
		f := finding{Layer: l.Name, Works: l.Works(), Required: l.Required, Detail: l.Detail, Warning: l.Warning,
			Remedy: l.Remedy, Cause: l.Cause, Untried: l.Untried()}
		if l.Err != nil {
			f.Error = l.Err.Error()
		}
		findings = append(findings, f)
	}
	return findings
}

// Run probes every layer and the templates. It returns an error if a required layer is missing or a template does not start.
func (d doctorCommand) Run(s *settings) error {
	config, err := s.jail(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	layers := doctor.Probe(context.Background(), config)
	findings := findingsOf(layers)
	missing := len(doctor.Missing(layers))
	var noTemplate error
	if config.Fork && missing == 0 {
		var found finding
		found, noTemplate = tryTemplates(s, config)
		findings = append(findings, found)
	}
	if d.JSON {
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(findings)
	} else {
		err = printFindings(os.Stdout, findings)
	}
	switch {
	case err != nil:
	case missing > 0:
		err = fmt.Errorf("%d required layers of the isolation do not work on this machine", missing)
	case noTemplate != nil:
		err = s.templateFault(noTemplate)
	}
	return err
}

// tryTemplates starts all templates and ends them again.
func tryTemplates(s *settings, config jail.Config) (finding, error) {
	f := finding{Layer: "templates", Required: true}
	config.Warm = 0
	j, err := jail.New(context.Background(), config)
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		f.Error = err.Error()
		f.Remedy = "install the modules that it imports for " + s.Python + ", or remove it from --templates"
		return f, err
	}
	f.Works, f.Detail = true, strings.Join(s.templateNames(), ", ")
	return f, nil
}

func printFindings(w io.Writer, findings []finding) error {
	var text strings.Builder
	for _, f := range findings {
		switch {
		case f.Works:
			fmt.Fprintf(&text, "works    %-18s %s\n", f.Layer, f.Detail)
			if f.Warning != "" {
				fmt.Fprintf(&text, "%28swarning: %s\n", "", f.Warning)
			}
		case f.Cause != "": // explain lists it below its cause
		case f.Required:
			fmt.Fprintf(&text, "MISSING  %-18s %s\n", f.Layer, explain(f, findings, "\n"+strings.Repeat(" ", 28)))
		default:
			fmt.Fprintf(&text, "weaker   %-18s %s\n", f.Layer, explain(f, findings, "\n"+strings.Repeat(" ", 28)))
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// consequences returns the layers that fail for the same reason as f, and the layers that could not be tried without f.
func consequences(f finding, all []finding) (likewise, untried []string) {
	for _, other := range all {
		switch {
		case other.Cause != f.Layer:
		case other.Untried:
			untried = append(untried, other.Layer)
		default:
			likewise = append(likewise, other.Layer)
		}
	}
	return likewise, untried
}

// explain formats the error of a layer, its remedy, and the other layers that it explains. The string newline separates the
// parts.
func explain(f finding, all []finding, newline string) string {
	likewise, untried := consequences(f, all)
	text := strings.ReplaceAll(f.Error, "\n", "; ") + newline + "remedy: " + f.Remedy
	if likewise != nil {
		text += newline + "likewise: " + strings.Join(likewise, ", ")
	}
	if untried != nil {
		text += newline + "not tried without it: " + strings.Join(untried, ", ")
	}
	return text
}

// missingLayers returns an error if a required layer does not work. It logs each cause with its remedy.
func missingLayers(layers []doctor.Layer, log *slog.Logger) error {
	var missing []string
	findings := findingsOf(layers)
	for _, f := range findings {
		if f.Works || !f.Required {
			continue
		}
		missing = append(missing, f.Layer)
		if f.Cause != "" {
			continue
		}
		attrs := []any{"layer", f.Layer, "error", f.Error, "remedy", f.Remedy}
		likewise, untried := consequences(f, findings)
		if likewise != nil {
			attrs = append(attrs, "likewise", strings.Join(likewise, ", "))
		}
		if untried != nil {
			attrs = append(attrs, "not_tried", strings.Join(untried, ", "))
		}
		log.Error("a required layer of the isolation is missing", attrs...)
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot enforce the isolation: %s", strings.Join(missing, ", "))
}
