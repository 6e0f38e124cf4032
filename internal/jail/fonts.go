package jail

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

//go:embed fonts.py
var fontsProgram []byte

var fontsName = regexp.MustCompile(`^fontlist-v[0-9]{1,9}\.json$`)

// maxFonts bounds the size of the font list in bytes, since the list is copied into the root of each run. A list of a hundred
// fonts has about 30,000 bytes.
const maxFonts = 1 << 20

// PrepareFonts runs matplotlib in a jail to create its font list, and adds the list to the root of all later runs. Without
// the list, the first plot of each run reads every font of the machine, which takes about a second. PrepareFonts does nothing
// if matplotlib is not installed.
func (r *Runner) PrepareFonts(ctx context.Context) error {
	result, err := r.Run(ctx, sandbox.Program{Source: fontsProgram}, nil)
	if err != nil {
		return err
	}
	if result.Verdict != sandbox.Exited || result.ExitCode != 0 {
		return fmt.Errorf("matplotlib's list of fonts: the program ended as %s: %s", result.Verdict, python.LastLine(result.Stderr.Kept))
	}
	if result.Stdout.Total == 0 {
		return nil
	}
	var list struct{ Name, Content string }
	err = json.Unmarshal(result.Stdout.Kept, &list)
	if err == nil && (!fontsName.MatchString(list.Name) || len(list.Content) > maxFonts || !json.Valid([]byte(list.Content))) {
		err = fmt.Errorf("%.40q with %d bytes is not a valid font list", list.Name, len(list.Content))
	}
	if err != nil {
		return fmt.Errorf("matplotlib's list of fonts: %w", err)
	}
	file := rootfs.Launcher + "/" + list.Name
	for _, e := range r.environments {
		err = errors.Join(err, e.add(
			inside.Node{Op: inside.File, Path: file, Data: list.Content},
			inside.Node{Op: inside.Dir, Path: rootfs.Fonts, Mode: 0o700},
			inside.Node{Op: inside.Link, Path: rootfs.Fonts + "/" + list.Name, Source: file},
		))
	}
	return err
}
