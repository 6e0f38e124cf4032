// Package scan reads Python source and says what a policy forbids in it, before anything is run.
//
// The scan is not a security boundary. The jail does not rely on it. The scan only gives an early and clear reason for programs that
// the jail would not let work anyway. This has two consequences:
//
//   - Refusing a harmless program is a bug. So the scan reports nothing if it is not sure. A name that the user's own code binds
//     belongs to the user. Strings and comments are text. A name that is computed at run time ('o' + 's') is left to the jail.
//   - If a source needs too much work, the scan gives up (ErrBudget), so that it does not delay the run.
//
// # Steps
//
//	source → lex      splits the source into logical lines and finds words that may matter  (lex.go, string.go)
//	       → reduce   keeps the statements with such words, in normal form                  (reduce.go)
//	       → parse    parses that text with tree-sitter, within a budget                    (parse.go)
//	       → walk     visits each word in the syntax tree and finds its meaning             (walk.go, imports.go)
//	       → judge    compares names with scopes, and meanings with the policy              (judge.go)
//
// Most programs have no such word and end after the first step. This makes the scan fast: tree-sitter alone needs 15 to 25 ms for
// 100 KB (BenchmarkParse).
//
// The normal form also protects the parser's C code from hostile text. It has one line for each logical line, one blank between
// tokens, at most 100 levels of indentation and 200 levels of brackets, no string contents, and only ASCII. CPython refuses deeper
// levels, so no valid program is lost. The parser's Python scanner keeps its state in a buffer of 1,024 bytes and asserts that it
// fits: a source with an f-string below 512 levels of indentation would abort the process (tree-sitter-python 0.25.0).
//
// # Invalid source
//
// A source whose tokens CPython would refuse (an unterminated string, an unbalanced bracket) has no findings, because python3
// reports it better. If only the grammar is violated, findings come from the statements that could be parsed.
//
// # Policies
//
// Strict refuses the contract's lists, obvious ways around them (posix for os, io.open for open, __builtins__['open'],
// ().__class__.__base__.__subclasses__()), and everything that permissive refuses. Permissive refuses only modules whose only
// purpose is to communicate with another host, because a jail has no network: requests, urllib3, httpx, and the mail, news, FTP and
// telnet clients. It does not refuse urllib.request (which reads data: URLs), http.client (a server on the loopback works) or input
// (which raises an EOFError that a program may expect, or reads a replaced sys.stdin). Off refuses nothing.
//
// A chain of attribute accesses such as ().__class__.__base__.__subclasses__() is called a ladder. Some of its steps are common in
// ordinary programs and are allowed: gi_frame, f_back, f_code, __code__.co_name, type(x).__mro__, ().__class__.__bases__,
// __closure__, dir(__builtins__). The ends of a ladder (f_globals, __subclasses__, …) are refused.
package scan
