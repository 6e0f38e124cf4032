package jail

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// fontsDir is where matplotlib keeps its list of the fonts that there are (MPLCONFIGDIR). It has to be writable, so each run
// has one of its own.
const fontsDir = runDir + "/matplotlib"

//go:embed fonts.py
var fontsProgram []byte

var fontsName = regexp.MustCompile(`^fontlist-v[0-9]{1,9}\.json$`)

// maxFonts bounds matplotlib's list, in bytes: it is copied into the root of each run. A list of a hundred fonts has
// 30,000.
const maxFonts = 1 << 20

// PrepareFonts has matplotlib make its list of fonts, in a jail of its own, and gives that list to the runs that start from
// then on. Without it the first plot of each run looks at every font, which takes longer than most programs. It does nothing
// where there is no matplotlib.
func (j *Jail) PrepareFonts(ctx context.Context) error {
	result, err := j.Run(ctx, sandbox.Program{Source: fontsProgram}, nil)
	if err != nil {
		return err
	}
	if result.Verdict != sandbox.Exited || result.ExitCode != 0 {
		return fmt.Errorf("matplotlib's list of fonts: the program ended as %s: %s", result.Verdict, lastLine(result.Stderr.Kept))
	}
	if result.Stdout.Total == 0 {
		return nil
	}
	var list struct{ Name, Content string }
	err = json.Unmarshal(result.Stdout.Kept, &list)
	if err == nil && (!fontsName.MatchString(list.Name) || len(list.Content) > maxFonts || !json.Valid([]byte(list.Content))) {
		err = fmt.Errorf("%.40q, of %d bytes, is none", list.Name, len(list.Content))
	}
	if err != nil {
		return fmt.Errorf("matplotlib's list of fonts: %w", err)
	}
	file := launcherDir + "/" + list.Name
	plan := append(slices.Clip(j.root.Load().plan),
		inside.Node{Op: inside.File, Path: file, Data: list.Content},
		inside.Node{Op: inside.Dir, Path: fontsDir, Mode: 0o700},
		inside.Node{Op: inside.Link, Path: fontsDir + "/" + list.Name, Source: file},
	)
	files, err := landlock(plan)
	if err != nil {
		return err
	}
	j.use(plan, files)
	for _, pool := range j.pools {
		pool.renew()
	}
	return nil
}
