// Package schematest generates valid and invalid values for the schemas of an OpenAPI document, for tests.
package schematest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
)

// Maker generates values.
type Maker struct {
	*rand.Rand
	Wrong float64 // share of invalid values, from 0 to 1

	schemas map[string]map[string]any
}

// New returns a Maker for the schemas of an OpenAPI document.
func New(description string, seed uint64) (*Maker, error) {
	var described struct {
		Components struct{ Schemas map[string]map[string]any }
	}
	err := json.Unmarshal([]byte(description), &described)
	return &Maker{Rand: rand.New(rand.NewPCG(seed, 0)), schemas: described.Components.Schemas}, err
}

// Named generates a value of a schema, as JSON.
func (m *Maker) Named(schema string) ([]byte, error) { return json.Marshal(m.of(m.schemas[schema])) }

func (m *Maker) of(schema map[string]any) any {
	if ref, found := schema["$ref"].(string); found {
		return m.of(m.schemas[strings.TrimPrefix(ref, "#/components/schemas/")])
	}
	if m.Float64() < m.Wrong {
		return m.anything(3)
	}
	if enum, found := schema["enum"].([]any); found {
		return enum[m.IntN(len(enum))]
	}
	switch schema["type"] {
	case "object":
		return m.object(schema)
	case "array":
		list := []any{}
		for range m.IntN(4) {
			list = append(list, m.of(schema["items"].(map[string]any)))
		}
		return list
	case "integer", "number":
		least, _ := schema["minimum"].(float64)
		most, _ := schema["maximum"].(float64)
		n := []float64{least, most, least + m.Float64()*(most-least), m.Float64() * 1e6}[m.IntN(4)]
		if schema["type"] == "integer" {
			n = float64(int64(n))
		}
		return n
	case "string":
		if schema["contentEncoding"] == "base64" {
			return []string{"", "AA==", "AP8A", "AP8", "A*=="}[m.IntN(5)]
		}
		return m.text()
	}
	return m.anything(2)
}

func (m *Maker) object(schema map[string]any) any {
	object := map[string]any{}
	fields, _ := schema["properties"].(map[string]any)
	required, _ := schema["required"].([]any)
	for name, field := range fields {
		if slices.Contains(required, any(name)) && m.Float64() >= m.Wrong || m.IntN(2) == 0 {
			object[name] = m.of(field.(map[string]any))
		}
	}
	if one, found := schema["oneOf"].([]any); found && m.Float64() >= m.Wrong {
		keep := m.IntN(len(one))
		for i, choice := range one {
			name := choice.(map[string]any)["required"].([]any)[0].(string)
			delete(object, name)
			if i == keep {
				object[name] = m.of(fields[name].(map[string]any))
			}
		}
	}
	if rest, open := schema["additionalProperties"].(map[string]any); open {
		for range m.IntN(4) {
			object[m.text()] = m.of(rest)
		}
	} else if m.Float64() < m.Wrong {
		object[m.text()] = m.anything(2)
	}
	return object
}

// text returns a string that has a special meaning somewhere.
func (m *Maker) text() string {
	parts := []string{"", "a", "PYTHONPATH", "LD_PRELOAD", "=", "\x00", "/", "..", "main.py", "é🐍", "\n", "\"", "~0", "a.b[0]", "print(1)", strings.Repeat("x", 300)}
	text := ""
	for range 1 + m.IntN(3) {
		text += parts[m.IntN(len(parts))]
	}
	return text
}

func (m *Maker) anything(deep int) any {
	switch n := m.IntN(8); {
	case n == 0:
		return nil
	case n == 1:
		return m.IntN(2) == 0
	case n == 2:
		return m.NormFloat64() * 1e9
	case n == 3 && deep > 0:
		return []any{m.anything(deep - 1), m.anything(deep - 1)}
	case n == 4 && deep > 0:
		return map[string]any{m.text(): m.anything(deep - 1)}
	case n == 5:
		return m.IntN(100)
	default:
		return m.text()
	}
}
