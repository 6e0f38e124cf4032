package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "containers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "profile":
		return printProfile(os.Stdout)
	case len(args) == 3 && args[0] == "bundles":
		return errors.Join(writeBundles(args[1], args[2]), writeBundle(serving, args[1], args[2]))
	}
	return fmt.Errorf("usage: containers profile | containers bundles ROOT DIR")
}
