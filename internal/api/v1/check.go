package v1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

const (
	maxValues = 4 << 10 // JSON values in a body: twice as many as the largest request has
	maxNested = 16      // levels
	maxFaults = 16      // faults that one answer lists

	minOutput = 1 // bytes of output, the least that a request may set
)

// parse reads one JSON value. It takes the memory of the strings in the value, and a bounded amount for the rest.
func parse(body []byte) (any, error) {
	p := parser{from: jsontext.NewDecoder(bytes.NewBuffer(body))} // jsontext makes no copy of a bytes.Buffer
	value, err := p.value()
	if err == nil {
		if _, err = p.from.ReadToken(); err == io.EOF {
			return value, nil
		}
		if err == nil {
			err = errors.New("more than one value")
		}
	}
	if failed := (*Error)(nil); errors.As(err, &failed) {
		return nil, failed
	}
	detail := err.Error()
	if syntax := (*jsontext.SyntacticError)(nil); errors.As(err, &syntax) {
		detail = fmt.Sprintf("%v, after byte %d", syntax.Err, syntax.ByteOffset)
	} else if errors.Is(err, io.EOF) {
		detail = "there is none"
	}
	return nil, &Error{Kind: InvalidJSON, Detail: detail}
}

type parser struct {
	from   *jsontext.Decoder
	values int
}

func (p *parser) value() (any, error) {
	token, err := p.from.ReadToken()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValues {
		return nil, fieldError(fmt.Sprintf("has more than %d values", maxValues))
	}
	if p.from.StackDepth() > maxNested {
		return nil, fieldError(fmt.Sprintf("is nested more than %d deep", maxNested))
	}
	switch token.Kind() {
	case '"':
		return token.String(), nil
	case '0':
		return token.Float(), nil
	case 't', 'f':
		return token.Bool(), nil
	case '[':
		return p.array()
	case '{':
		return p.object()
	}
	return nil, nil
}

func (p *parser) array() (any, error) {
	list := []any{}
	for p.from.PeekKind() != ']' {
		value, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, value)
	}
	_, err := p.from.ReadToken()
	return list, err
}

func (p *parser) object() (any, error) {
	object := map[string]any{}
	for p.from.PeekKind() != '}' {
		name, err := p.from.ReadToken()
		if err != nil {
			return nil, err
		}
		key := name.String()
		if object[key], err = p.value(); err != nil {
			return nil, err
		}
	}
	_, err := p.from.ReadToken()
	return object, err
}

// newSchemas derives the schemas of requests and answers, and returns the schema of a request with the limits, environments
// and policies of this service.
func newSchemas(environments, policies []string, standard string, limits, most sandbox.Limits) (huma.Registry, *huma.Schema) {
	registry := huma.NewMapRegistry("#/components/schemas/", func(t reflect.Type, hint string) string {
		name := huma.DefaultSchemaNamer(t, hint)
		if strings.HasSuffix(name, "Event") || strings.HasSuffix(name, "Error") || strings.HasPrefix(name, "Meta") || name == "Problem" {
			return name
		}
		return "Run" + name // the document of /playground/execute has schemas with other names
	})
	request := registry.Schema(reflect.TypeFor[Request](), false, "")
	enum := func(field string, names []string, otherwise string) {
		s := request.Properties[field]
		s.Default = otherwise
		for _, name := range names {
			s.Enum = append(s.Enum, name)
		}
	}
	enum("environment", environments, sandbox.DefaultTemplate)
	enum("policy", policies, standard)
	bound := func(field string, least, standard, most float64) {
		s := registry.Map()["RunLimits"].Properties[field]
		s.Minimum, s.Maximum, s.Default = &least, &most, standard
	}
	bound("wall_seconds", sandbox.MinWall.Seconds(), limits.Wall.Seconds(), most.Wall.Seconds())
	bound("cpu_seconds", sandbox.MinWall.Seconds(), limits.MostCPUTime().Seconds(), most.MostCPUTime().Seconds())
	bound("memory_bytes", sandbox.MinMemory, float64(limits.Memory), float64(most.Memory))
	bound("processes", sandbox.MinPids, float64(limits.Pids), float64(most.Pids))
	bound("output_bytes", minOutput, float64(limits.Output), float64(most.Output))
	// A file must have exactly one of text and base64.
	file := registry.Map()["RunFile"]
	file.OneOf = []*huma.Schema{{Required: []string{"text"}}, {Required: []string{"base64"}}}
	file.PrecomputeMessages()
	registry.Map()["RunLimits"].PrecomputeMessages()
	request.PrecomputeMessages()
	return registry, request
}

// checker validates a value against a schema. It walks through objects and lists itself and lets huma validate strings,
// numbers and types. huma's own walk joins names with dots, which gives a wrong pointer for a name with a dot, and it accepts
// null for an optional field.
type checker struct {
	registry huma.Registry
	faults   []FieldError
}

func (c *checker) fault(at []string, detail string) {
	if len(c.faults) < maxFaults {
		c.faults = append(c.faults, FieldError{pointer(at), detail})
	}
}

func (c *checker) check(s *huma.Schema, value any, at []string) {
	for s.Ref != "" {
		s = c.registry.SchemaFromRef(s.Ref)
	}
	switch value := value.(type) {
	case map[string]any:
		if s.Type == huma.TypeObject {
			c.object(s, value, at)
			return
		}
	case []any:
		if s.Type == huma.TypeArray {
			if s.MaxItems != nil && len(value) > *s.MaxItems {
				c.fault(at, fmt.Sprintf("has %d entries, and may have %d", len(value), *s.MaxItems))
				return
			}
			for i, item := range value {
				c.check(s.Items, item, append(slices.Clip(at), strconv.Itoa(i)))
			}
			return
		}
	case string:
		if s.ContentEncoding != "" { // the program is decoded later, which finds invalid base64 faster than the pattern of huma
			return
		}
	case float64:
		if s.Maximum != nil && value > *s.Maximum {
			c.fault(at, "is above the maximum of this service, which is "+strconv.FormatFloat(*s.Maximum, 'f', -1, 64))
			return
		}
	}
	var result huma.ValidateResult
	huma.Validate(c.registry, s, huma.NewPathBuffer(nil, 0), huma.ModeWriteToServer, value, &result)
	for _, err := range result.Errors {
		detail := &huma.ErrorDetail{Message: err.Error()}
		_ = errors.As(err, &detail)
		c.fault(at, detail.Message)
	}
}

func (c *checker) object(s *huma.Schema, value map[string]any, at []string) {
	for _, name := range s.Required {
		if _, found := value[name]; !found {
			c.fault(append(slices.Clip(at), name), "is missing")
		}
	}
	if len(s.OneOf) > 0 {
		given := 0
		var names []string
		for _, one := range s.OneOf {
			names = append(names, one.Required[0])
			if _, found := value[one.Required[0]]; found {
				given++
			}
		}
		if given != 1 {
			c.fault(at, "needs exactly one of "+strings.Join(names, " or "))
		}
	}
	rest, open := s.AdditionalProperties.(*huma.Schema)
	for _, name := range slices.Sorted(maps.Keys(value)) {
		within := append(slices.Clip(at), name)
		if field, known := s.Properties[name]; known {
			c.check(field, value[name], within)
		} else if open {
			c.check(rest, value[name], within)
		} else {
			c.fault(within, "is not a known field")
		}
	}
}

// decode reads and validates a request.
func (a *API) decode(body []byte) (Request, error) {
	value, err := parse(body)
	if err != nil {
		return Request{}, err
	}
	c := checker{registry: a.registry}
	c.check(a.request, value, nil)
	if len(c.faults) > 0 {
		return Request{}, fieldsError(c.faults)
	}
	return requestFrom(value.(map[string]any)), nil
}
