// Package sandbox defines the domain types of the program: Program (what to run), Limits, Event (what happens during the
// run) and Outcome (its result). It depends on neither the kernel nor HTTP, and imports no other package of this module.
package sandbox
