package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// size is a number of bytes. Its units are powers of 1024 in every spelling, as in systemd's and Docker's settings: k, K, kB,
// KB and KiB are one unit.
type size int64

const sizeUnits = "kmgtp"

var sizeText = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?(?:([` + sizeUnits + `])i?)?b?$`)

// UnmarshalText reads a size. kong calls it.
func (s *size) UnmarshalText(text []byte) error {
	parts := sizeText.FindStringSubmatch(strings.ToLower(string(text)))
	if parts == nil {
		return errors.New("no size")
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

// String is the size in the largest unit of which it is a multiple.
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
