// Command sandboxd runs untrusted Python programs, sent over HTTP, each in its own jail.
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

// Exit statuses of all commands. The command run has more.
const (
	statusFailure = 1
	statusUsage   = 2 // the command line or the configuration is wrong
)

type commands struct {
	ShowVersion kong.VersionFlag `name:"version" short:"V" help:"Print the version."`

	settings `embed:""`

	Serve   serveCommand   `cmd:"" default:"1" help:"Serve HTTP. This is the default command."`
	Run     runCommand     `cmd:"" help:"Run one file in a jail, with its streams and its exit status."`
	Check   checkCommand   `cmd:"" help:"Check the configuration: file, environment and flags. Starts nothing."`
	Doctor  doctorCommand  `cmd:"" help:"Try every isolation layer on this machine and report what is missing."`
	Keys    keysCommand    `cmd:"" help:"Make, list and revoke API keys."`
	Profile profileCommand `cmd:"" help:"Check seccomp profiles."`
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

// run runs the command. The settings are read only if the command takes them as a parameter.
func (in *invocation) run(caught *signals) error {
	if err := in.BindSingletonProvider(in.allSettings); err != nil {
		return err
	}
	return in.Context.Run(caught, in)
}

// allSettings reads the settings and warns of unknown variables.
func (in *invocation) allSettings() (*settings, error) {
	s, err := in.readSettings()
	in.warnOfUnknownVariables()
	return s, err
}

// report prints an error and returns the exit status for it.
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

// warnOfUnknownVariables warns about environment variables that look like misspelled settings.
func (in *invocation) warnOfUnknownVariables() {
	for _, unknownVariable := range unknownVariables(in.Model, os.Environ()) {
		if in.Command() == "serve" || in.LogFormat == "json" {
			in.logger(os.Stderr).Warn("an environment variable is not a setting", "variable", unknownVariable.name, "meant", unknownVariable.meant)
		} else {
			fmt.Fprintf(os.Stderr, "sandboxd: the environment variable %s is not a setting%s\n", unknownVariable.name, meant(unknownVariable.meant))
		}
	}
}

func options() []kong.Option {
	return []kong.Option{
		kong.Name("sandboxd"),
		kong.Description("Runs untrusted Python programs, each in its own jail.\n\n" +
			"Each setting can also be given as SANDBOXD_<NAME> in the environment, or by its name in a YAML file (--config). " +
			"A size is a number of bytes, optionally with the unit k, M, G or T (powers of 1024; KiB and KB are the same). A time has the unit ms, s, m or h.\n\n" +
			"Exit status: 0 on success, 1 after a failure, 2 if the command line or the configuration is wrong."),
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

// Run prints the same as --help. kong then ends the program.
func (h helpCommand) Run() error {
	_, err := parseArguments(append(h.Command, "--help"))
	return err
}
