// Command sandboxd runs untrusted Python, sent over HTTP, in a jail of its own for each run.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version is set by the linker: see the Makefile.
var version = "devel"

// Exit statuses of all commands; `run` has more.
const (
	statusFailure = 1
	statusUsage   = 2 // the command line or the configuration is wrong
)

type commands struct {
	ShowVersion kong.VersionFlag `name:"version" short:"V" help:"Print the version."`

	settings `embed:""`

	Serve   serveCommand   `cmd:"" default:"1" help:"Serve HTTP (what a bare sandboxd does)."`
	Run     runCommand     `cmd:"" help:"Run one file in a jail; mirrors its streams and its exit status."`
	Check   checkCommand   `cmd:"" help:"Say whether the configuration is right: file, environment and flags. Starts nothing."`
	Doctor  doctorCommand  `cmd:"" help:"Try every layer of the isolation on this machine and say what is missing."`
	Profile profileCommand `cmd:"" help:"Look at seccomp profiles."`
	Version versionCommand `cmd:"" help:"Print the version."`
	Help    helpCommand    `cmd:"" help:"Describe a command."`
}

func main() {
	caught := catchSignals()
	in, err := parseArguments(os.Args[1:])
	if err == nil {
		if in.Command() == "serve" {
			caught.endAtOnce()
		} else {
			caught.release()
		}
		err = in.run(caught)
	}
	if err != nil {
		os.Exit(in.report(err))
	}
}

// run runs the command. Only one that needs settings reads them.
func (in *invocation) run(caught *signals) error {
	err := in.BindSingletonProvider(func() (*settings, error) {
		s, err := in.readSettings()
		in.warnOfStrangers()
		return s, err
	})
	if err != nil {
		return err
	}
	return in.Context.Run(caught)
}

// report prints an error, and says which exit status it makes.
func (in *invocation) report(err error) (status int) {
	var usage *usageError
	var configuration *configError
	switch {
	case errors.As(err, &configuration):
		for _, line := range configuration.lines {
			if in.LogFormat == "json" {
				in.logger(os.Stderr).Error("the configuration is wrong", "error", line)
			} else {
				fmt.Fprintln(os.Stderr, "sandboxd:", line)
			}
		}
		return statusUsage
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, "sandboxd:", err)
		return statusUsage
	case !errors.Is(err, errLogged):
		fmt.Fprintln(os.Stderr, "sandboxd:", err)
	}
	return statusFailure
}

// warnOfStrangers warns of variables in the environment that are misspelled: in the log of the daemon, and in plain text elsewhere.
func (in *invocation) warnOfStrangers() {
	for _, stranger := range strangers(in.Model, os.Environ()) {
		if in.Command() == "serve" || in.LogFormat == "json" {
			in.logger(os.Stderr).Warn("a variable in the environment is no setting", "variable", stranger.name, "meant", stranger.meant)
		} else {
			fmt.Fprintf(os.Stderr, "sandboxd: %s is in the environment, and no setting%s\n", stranger.name, meant(stranger.meant))
		}
	}
}

func options() []kong.Option {
	return []kong.Option{
		kong.Name("sandboxd"),
		kong.Description("Runs untrusted Python in a jail of its own for each run.\n\n" +
			"Each setting can also be given as SANDBOXD_<NAME> in the environment, or by its name in a YAML file (--config). " +
			"Sizes have k, M, G or T behind them (powers of 1024; KiB and KB are the same), or are bytes. Times have ms, s, m or h behind them.\n\n" +
			"Exit status: 0, or 1 after a failure, or 2 if the command line or the configuration is wrong."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		vars(),
	}
}

type versionCommand struct{}

func (versionCommand) Run() error {
	_, err := fmt.Println(versionText())
	return err
}

func versionText() string {
	goVersion := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	return fmt.Sprintf("sandboxd %s (%s)", version, goVersion)
}

type helpCommand struct {
	Command []string `arg:"" optional:"" help:"The command."`
}

// Run prints what --help prints. kong ends the program when it has done so.
func (h helpCommand) Run() error {
	_, err := parseArguments(append(h.Command, "--help"))
	return err
}
