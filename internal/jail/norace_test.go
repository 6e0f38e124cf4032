//go:build !race

package jail_test

// slowdown is how much more processor time this program takes: see race_test.go.
const slowdown = 1
