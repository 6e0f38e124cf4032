//go:build !race

package jail_test

// slowdown is the factor by which the race detector increases the processor time of this program: see race_test.go.
const slowdown = 1
