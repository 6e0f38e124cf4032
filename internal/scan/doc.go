// Package scan reads Python source and says what a policy forbids in it, before anything is run.
//
// It is a courtesy, not a wall. The jail holds with the scan off; the scan only answers in words, for programs that could
// not have worked. Two things follow. A program that is refused
// here although it is harmless is a fault, so in doubt the scan is silent: a name that the user's own
// code binds is the user's, a string or a comment is text, and a name that is computed at run time
// ('o' + 's') is nobody's business but the jail's. And when a source is too much work, the scan gives
// up (ErrBudget) rather than delay the run.
//
// # The way of a source
//
//	source → lex      logical lines, in Go: which words could matter at all?  (lex.go, string.go)
//	       → reduce   the statements that hold such words, in normal form     (reduce.go)
//	       → parse    that text by tree-sitter, within a budget               (parse.go)
//	       → walk     down to each word: what does it mean just here?         (walk.go, imports.go)
//	       → judge    names against scopes, meanings against the policy       (judge.go)
//
// Most programs hold no word of interest and end after the first step. That is where the speed comes
// from: tree-sitter alone needs some 15 to 25 ms for 100 KB (BenchmarkParse).
//
// The normal form is also what keeps hostile text away from the C code of the parser: one line for
// each logical line, one blank between tokens, at most 100 levels of indentation and 200 of brackets
// (CPython refuses more, so no program is lost), string contents dropped, ASCII only. The parser's
// Python scanner keeps its state in a buffer of 1,024 bytes and asserts that it fits: raw source with
// an f-string under 512 levels of indentation aborts the process (tree-sitter-python 0.25.0).
//
// # Broken text
//
// A source whose tokens CPython would refuse (an open string, an unbalanced bracket) has no findings:
// python3 reports it better. Where only the grammar is violated, findings come from the statements
// that did parse, never from inside a broken one.
//
// # Policies
//
// Strict is the contract's lists, what evidently leads around them (posix for os, io.open for open,
// __builtins__['open'], the ladder ().__class__.__base__.__subclasses__()), and what permissive
// refuses. Permissive refuses only the modules whose one purpose is to speak to another host, as a
// jail has no network: requests, urllib3, httpx, and the mail, news, FTP and telnet clients. It does
// not refuse urllib.request (which reads data: URLs), http.client (a server on the loopback works)
// or input (which ends in an EOFError that a program may expect, or reads a replaced sys.stdin).
// Off finds nothing.
//
// Some steps of a ladder are ordinary by themselves and pass: gi_frame, f_back, f_code, __code__.co_name,
// type(x).__mro__, ().__class__.__bases__, __closure__, dir(__builtins__). What they lead to
// (f_globals, __subclasses__, …) does not.
package scan
