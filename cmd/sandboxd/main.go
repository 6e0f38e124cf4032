// Command sandboxd runs untrusted Python, sent over HTTP, in a jail of its own for each run.
package main

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is set by the linker: see the Makefile.
var version = "devel"

type commands struct {
	settings `embed:""`

	Serve   serveCommand   `cmd:"" default:"1" help:"Serve HTTP (what a bare sandboxd does)."`
	Run     runCommand     `cmd:"" help:"Run one file in a jail; mirrors its streams and its exit status."`
	Doctor  doctorCommand  `cmd:"" help:"Try every layer of the isolation on this machine and say what is missing."`
	Profile profileCommand `cmd:"" help:"Look at seccomp profiles."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

func main() {
	var c commands
	app := kong.Must(&c, options()...)
	ctx, err := app.Parse(os.Args[1:])
	app.FatalIfErrorf(err)
	for _, name := range strangers(app.Model, os.Environ()) {
		fmt.Fprintf(os.Stderr, "sandboxd: %s is in the environment, and no setting (see --help)\n", name)
	}
	if err := ctx.Run(&c.settings); err != nil {
		fmt.Fprintln(os.Stderr, "sandboxd:", err)
		os.Exit(1)
	}
}

func options() []kong.Option {
	return []kong.Option{
		kong.Name("sandboxd"),
		kong.Description("Runs untrusted Python in a jail of its own for each run.\n\nEach setting can also be given as SANDBOXD_<NAME> in the environment, or by its name in a YAML file (--config)."),
		kong.Configuration(loadYAML),
		kong.DefaultEnvars("SANDBOXD"),
		kong.ShortUsageOnError(),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		vars(),
	}
}

type versionCommand struct{}

func (versionCommand) Run() error {
	goVersion := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	fmt.Printf("sandboxd %s (%s)\n", version, goVersion)
	return nil
}
