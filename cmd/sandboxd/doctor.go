package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/sandboxd/sandboxd/internal/jail"
)

type doctorCommand struct {
	JSON bool `name:"json" help:"Print the findings as JSON."`
}

// finding is one layer, or the templates, as the doctor prints it.
type finding struct {
	Layer    string `json:"layer"`
	Works    bool   `json:"works"`
	Required bool   `json:"required"`
	Detail   string `json:"detail,omitempty"`
	Error    string `json:"error,omitempty"`
	Remedy   string `json:"remedy,omitempty"`
}

// Run probes every layer, and the templates. Its error says what is missing of that.
func (d doctorCommand) Run(s *settings) error {
	config, err := s.jail(slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	layers := jail.Probe(context.Background(), config)
	findings := make([]finding, 0, len(layers))
	for _, l := range layers {
		f := finding{Layer: l.Name, Works: l.Works(), Required: l.Required, Detail: l.Detail, Remedy: l.Remedy}
		if l.Err != nil {
			f.Error = l.Err.Error()
		}
		findings = append(findings, f)
	}
	missing := len(jail.Missing(layers))
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

// tryTemplates starts all templates, and ends them.
func tryTemplates(s *settings, config jail.Config) (finding, error) {
	f := finding{Layer: "templates", Required: true}
	config.Warm = 0
	j, err := jail.New(context.Background(), config)
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		f.Error = err.Error()
		f.Remedy = "install what it imports for " + s.Python + ", or take it out of --templates"
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
		case f.Required:
			fmt.Fprintf(&text, "MISSING  %-18s %s\n%28sremedy: %s\n", f.Layer, f.Error, "", f.Remedy)
		default:
			fmt.Fprintf(&text, "weaker   %-18s %s\n%28sremedy: %s\n", f.Layer, f.Error, "", f.Remedy)
		}
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// missingLayers is the error of a machine on which a required layer does not work. Why it does not is logged.
func missingLayers(layers []jail.Layer, log *slog.Logger) error {
	var missing []string
	for _, l := range jail.Missing(layers) {
		missing = append(missing, l.Name)
		log.Error("a required layer of the isolation is missing", "layer", l.Name, "error", l.Err, "remedy", l.Remedy)
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot enforce the isolation: %s", strings.Join(missing, ", "))
}
