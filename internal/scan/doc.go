// Package scan reads the source of a Python program and reports what a policy forbids in it. It does not run the program.
//
// The scan is not a security boundary: the jail does not rely on it. The scan tells the user early and clearly why a program is refused.
// Two rules follow from this:
//
//   - It is a bug to refuse a harmless program, so the scan reports only what it is sure of. A name that the program itself binds, such
//     as a function called open, is not the restricted one. Words in strings and comments do not count. A name that is computed at run
//     time ('o' + 's') is not found.
//   - If a source needs too much work, the scan gives up (ErrBudget), and the program is run.
//
// # Steps
//
//	source → lex      splits the source into logical lines and finds words that may matter  (lex.go, string.go)
//	       → reduce   keeps the statements that contain such words, in a normal form        (reduce.go)
//	       → parse    parses that text with tree-sitter, within a budget                    (parse.go)
//	       → walk     visits each word in the syntax tree and finds its meaning             (walk.go, imports.go)
//	       → judge    compares names with scopes, and meanings with the policy              (judge.go)
//
// Most programs contain no such word, so their scan ends after the second step, without a parse. BenchmarkParse measures what a parse of
// the whole source would take.
//
// The normal form also protects the parser's C code from hostile text. It is ASCII. It has one line for each logical line, one blank
// between tokens, at most 100 levels of indentation and 200 levels of brackets. Of the strings it has only those that are names. CPython
// refuses a source with more levels (Parser/tokenizer.h), so no valid program is lost. The bound on indentation is necessary:
// tree-sitter-python 0.25.0 keeps its state in a buffer of 1,024 bytes and asserts that it fits, so an f-string below 512 levels of
// indentation would abort the process.
//
// # Invalid source
//
// If CPython would refuse the tokens of a source, for example because of an unterminated string or an unbalanced bracket, the scan has no
// findings: the error of python3 tells the user more. If only the grammar is violated, the findings are those of the statements that
// could be parsed.
//
// # Policies
//
//   - Strict refuses the modules and builtins in the lists of the contract, obvious ways around them (posix for os, io.open for open,
//     __builtins__['open'], ().__class__.__base__.__subclasses__()), and everything that permissive refuses.
//   - Permissive refuses modules whose only purpose is to communicate with another host, because a jail has no network: requests,
//     urllib3, httpx, and the mail, news, FTP and telnet clients. It allows urllib.request, which reads data: URLs, and http.client,
//     which can connect to a server on the loopback. It allows input: a program may expect its EOFError, or replace sys.stdin.
//   - Off refuses nothing.
//
// A chain of attribute accesses such as ().__class__.__base__.__subclasses__() is called a ladder. Its last attribute leads to all
// classes, to the globals of another function, or to the builtins (ladderEnds), and is refused. Attributes that only lead towards it
// are common in ordinary programs and are allowed: gi_frame, f_back, f_code, __code__.co_name, type(x).__mro__,
// ().__class__.__bases__, __closure__.
package scan
