// Command sbom completes an SBOM in CycloneDX's JSON format, and validates it. It reads the SBOM that cyclonedx-gomod made of a binary,
// which lists Go modules, and adds what cyclonedx-gomod does not see: the npm packages in the page, and the C libraries that are linked.
//
//	sbom [-lock package-lock.json] [-time SECONDS] -schema DIRECTORY BOM [NAME=VERSION...]
//
// A NAME is a Debian package. The result goes to standard output. It depends on nothing but the arguments, so that it is reproducible.
package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	lock := flag.String("lock", "", "package-lock.json of the page")
	seconds := flag.Int64("time", 0, "time of the SBOM in seconds since 1970; 0: none")
	schema := flag.String("schema", "", "directory with CycloneDX's JSON schemas")
	flag.Parse()
	if flag.NArg() == 0 {
		return errors.New("the SBOM of the Go modules is missing")
	}
	bom, err := read(flag.Arg(0))
	if err != nil {
		return err
	}
	var added []cyclonedx.Component
	if *lock != "" {
		if added, err = npmPackages(*lock); err != nil {
			return err
		}
	}
	for _, argument := range flag.Args()[1:] {
		name, version, found := strings.Cut(argument, "=")
		if !found || version == "" {
			return fmt.Errorf("%q is not NAME=VERSION", argument)
		}
		added = append(added, debianPackage(name, version))
	}
	add(bom, added)
	// cyclonedx-gomod looks for the license of the main module at the module proxy, and reports hashes of its own binary.
	bom.Metadata.Component.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: "MIT"}}}
	if bom.Metadata.Tools != nil && bom.Metadata.Tools.Tools != nil {
		for i := range *bom.Metadata.Tools.Tools {
			(*bom.Metadata.Tools.Tools)[i].Hashes = nil
		}
	}
	if *seconds != 0 {
		bom.Metadata.Timestamp = time.Unix(*seconds, 0).UTC().Format(time.RFC3339)
	}

	var text strings.Builder
	if err := cyclonedx.NewBOMEncoder(&text, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom); err != nil {
		return err
	}
	if err := validate(text.String(), *schema, bom.SpecVersion); err != nil {
		return err
	}
	_, err = io.WriteString(out, text.String())
	return err
}

func read(path string) (*cyclonedx.BOM, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(file, cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if bom.Metadata == nil || bom.Metadata.Component == nil || bom.Components == nil {
		return nil, fmt.Errorf("%s: it has no component", path)
	}
	return bom, nil
}

// add adds components on which the main component depends.
func add(bom *cyclonedx.BOM, components []cyclonedx.Component) {
	*bom.Components = append(*bom.Components, components...)
	if bom.Dependencies == nil {
		return
	}
	for i := range *bom.Dependencies {
		d := &(*bom.Dependencies)[i]
		if d.Ref != bom.Metadata.Component.BOMRef {
			continue
		}
		if d.Dependencies == nil {
			d.Dependencies = new([]string)
		}
		for _, c := range components {
			*d.Dependencies = append(*d.Dependencies, c.BOMRef)
		}
	}
}

// npmPackages returns the packages of a lock file (version 3) that get into the page: all but those for development.
func npmPackages(path string) ([]cyclonedx.Component, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var lock struct {
		LockfileVersion int
		Packages        map[string]struct {
			Version, Integrity, License string
			Dev, Link                   bool
		}
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if lock.LockfileVersion != 3 {
		return nil, fmt.Errorf("%s: lockfileVersion is %d, not 3", path, lock.LockfileVersion)
	}
	var components []cyclonedx.Component
	for _, place := range slices.Sorted(maps.Keys(lock.Packages)) {
		p := lock.Packages[place]
		if place == "" || p.Dev || p.Link {
			continue
		}
		name := place[strings.LastIndex(place, "node_modules/")+len("node_modules/"):]
		encoded, isSHA512 := strings.CutPrefix(p.Integrity, "sha512-")
		hash, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || !isSHA512 || p.Version == "" {
			return nil, fmt.Errorf("%s: %s has no version or no SHA-512", path, name)
		}
		// The @ of a scope is encoded in a package URL.
		c := component(name, p.Version, "pkg:npm/"+strings.Replace(name, "@", "%40", 1)+"@"+p.Version)
		c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA512, Value: hex.EncodeToString(hash)}}
		if p.License != "" {
			c.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: p.License}}}
		}
		components = append(components, c)
	}
	return components, nil
}

func debianPackage(name, version string) cyclonedx.Component {
	return component(name, version, "pkg:deb/debian/"+name+"@"+url.QueryEscape(version))
}

func component(name, version, packageURL string) cyclonedx.Component {
	return cyclonedx.Component{
		BOMRef: packageURL, Type: cyclonedx.ComponentTypeLibrary, Name: name, Version: version, PackageURL: packageURL,
		Scope: cyclonedx.ScopeRequired,
	}
}

// validate checks an SBOM against CycloneDX's JSON schema of its version.
func validate(text, directory string, version cyclonedx.SpecVersion) error {
	compiler := jsonschema.NewCompiler()
	files, err := filepath.Glob(filepath.Join(directory, "*.schema*.json"))
	if err != nil {
		return err
	}
	for _, file := range files {
		opened, err := os.Open(file)
		if err != nil {
			return err
		}
		document, err := jsonschema.UnmarshalJSON(opened)
		opened.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		// The schemas refer to each other by these addresses, without the x of jsf-0.82.schemax.json.
		name := strings.Replace(filepath.Base(file), "schemax", "schema", 1)
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, document); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-" + version.String() + ".schema.json")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
