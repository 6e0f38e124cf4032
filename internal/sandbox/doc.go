// Package sandbox has the words in which the parts of the program speak of a run: what is to be run (Program), within what
// (Limits), what happens meanwhile (Event) and what came of it (Outcome). It knows no kernel and no HTTP.
package sandbox
