//go:build race

package jail_test

// slowdown is how much more processor time this program takes under the race detector.
const slowdown = 3
