package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// settingsFile is the configuration file.
type settingsFile struct {
	path   string
	keys   map[string][2]*yaml.Node // key and value, by setting
	faults []string                 // errors about unknown and duplicate keys
}

// errNotYAML means that the file is not a YAML map, so its settings cannot be checked one by one. The error wraps the file and line.
var errNotYAML = errors.New("not a YAML map of settings, such as `memory: 256MiB`")

// readFile reads a YAML file of flat keys; only the value of templates is a map. It decodes to nodes because they have line numbers.
func readFile(path string, flags []*kong.Flag) (*settingsFile, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	f := &settingsFile{path: path, keys: map[string][2]*yaml.Node{}}
	var document yaml.Node
	decoder := yaml.NewDecoder(file)
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return f, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w: %s", path, errNotYAML, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w: it has a second document, which would be ignored", path, errNotYAML)
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return f, nil // nothing but comments
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: %w", path, root.Line, errNotYAML)
	}
	var known []string
	for _, flag := range flags {
		if flag.Name != "config" {
			known = append(known, flag.Name)
		}
	}
	for i := 0; i < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		before, twice := f.keys[key.Value]
		switch {
		case !slices.Contains(known, key.Value):
			f.faults = append(f.faults, fmt.Sprintf("%s:%d: unknown key %q%s", path, key.Line, key.Value, meant(nearest(key.Value, known))))
		case twice:
			f.faults = append(f.faults, fmt.Sprintf("%s:%d: %s: duplicate key, it is already in line %d", path, key.Line, key.Value, before[0].Line))
		default:
			f.keys[key.Value] = [2]*yaml.Node{key, value}
		}
	}
	return f, nil
}

// value returns the value of a setting in the file, and its origin. The value is nil if the file does not have it.
func (f *settingsFile) value(flag *kong.Flag) (any, origin, error) {
	pair, ok := f.keys[flag.Name]
	if !ok {
		return nil, origin{}, nil
	}
	node := pair[1]
	if node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	from := origin{where: fmt.Sprintf("%s:%d: %s", f.path, pair[0].Line, flag.Name), value: node.Value}
	switch {
	case flag.IsMap():
		table := map[string]any{}
		if node.Kind != yaml.MappingNode {
			return nil, from, errors.New(shape(node))
		}
		if err := node.Decode(&table); err != nil {
			return nil, from, err
		}
		return table, from, nil
	case node.Kind == yaml.SequenceNode && flag.IsSlice():
		var words []string
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, from, fmt.Errorf("an item of the list %s", shape(item))
			}
			words = append(words, item.Value)
		}
		from.value = strings.Join(words, ", ")
		return kong.JoinEscaped(words, ','), from, nil
	case node.Kind != yaml.ScalarNode, node.Tag == "!!null":
		return nil, from, errors.New(shape(node))
	}
	return node.Value, from, nil
}

// shape describes a YAML node for an error message.
func shape(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.SequenceNode:
		return "is a list"
	case node.Kind == yaml.MappingNode:
		return "is a map"
	case node.Tag == "!!null":
		return "has no value"
	}
	return fmt.Sprintf("is %q", node.Value)
}
