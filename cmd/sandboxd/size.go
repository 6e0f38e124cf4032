package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// size is a number of bytes. All spellings of a unit are the same power of 1024, as in systemd's and Docker's settings: k, K,
// kB, KB and KiB are 1024 bytes.
type size int64

const sizeUnits = "kmgtp"

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(?:([` + sizeUnits + `])i?)?b?$`)

// UnmarshalText parses a size, for kong.
func (s *size) UnmarshalText(text []byte) error {
	parts := sizeText.FindStringSubmatch(strings.ToLower(string(text)))
	if parts == nil {
		return errors.New("not a size")
	}
	n, err := strconv.ParseFloat(parts[1], 64)
	if err != nil {
		return err
	}
	if parts[2] != "" {
		n = math.Ldexp(n, 10*(strings.Index(sizeUnits, parts[2])+1))
	}
	if n >= math.MaxInt64 {
		return errors.New("too large for a number of bytes")
	}
	*s = size(n)
	return nil
}

// String returns the size in the largest unit that gives a whole number.
func (s size) String() string {
	n, unit := int64(s), ""
	for _, next := range sizeUnits {
		if n == 0 || n%1024 != 0 {
			break
		}
		n, unit = n/1024, strings.ToUpper(string(next))+"i"
	}
	return fmt.Sprintf("%d%sB", n, unit)
}
