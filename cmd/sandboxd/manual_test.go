package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The manual pages and the completions of shells are made from the same model of commands and settings as --help. They are committed, so
// that a package can be built without running the program. To write them anew: SANDBOXD_TEST_UPDATE=1.

const packaging = "../../packaging"

// manualDate is the date in the manual pages: that of the last change to their text.
const manualDate = "2026-11-26"

// model returns the commands and the settings. Defaults that depend on the machine are described in words.
func model(t *testing.T) *kong.Application {
	t.Helper()
	app, err := kong.New(&commands{}, append(options(), kong.Vars{
		"concurrency": "twice the number of processors, at least 8", "uid_first": "1900000000", "uid_count": "65536",
	})...)
	if err != nil {
		t.Fatal(err)
	}
	return app.Model
}

// manualCommand is a command with its own flags and arguments.
type manualCommand struct {
	path  string // such as "keys create"
	help  string
	flags []*kong.Flag
	args  []*kong.Value
}

func commandsOf(node *kong.Node, path string) (all []manualCommand) {
	for _, child := range node.Children {
		name := strings.TrimSpace(path + " " + child.Name)
		if len(child.Children) > 0 {
			all = append(all, commandsOf(child, name)...)
			continue
		}
		all = append(all, manualCommand{name, child.Help, child.Flags, child.Positional})
	}
	return all
}

// roff escapes text for a manual page.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "…", "...", "`", `\(ga`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// valueOf returns the value of a flag as the manual shows it, such as "FILE" or "exec|fork", and "" for a switch.
func valueOf(flag *kong.Flag) string {
	switch {
	case flag.IsBool():
		return ""
	case flag.Enum != "":
		return strings.ReplaceAll(flag.Enum, ",", "|")
	case flag.PlaceHolder != "":
		return flag.PlaceHolder
	}
	switch flag.Target.Interface().(type) {
	case time.Duration:
		return "DURATION"
	case size:
		return "SIZE"
	case int, int64:
		return "N"
	case float64:
		return "NUMBER"
	}
	return strings.ToUpper(flag.Name[strings.LastIndexByte(flag.Name, '-')+1:])
}

func describe(flag *kong.Flag) string {
	text := strings.TrimSuffix(flag.Help, ".") + "."
	if flag.Default != "" && flag.Default != "0" && !strings.Contains(text, "efault:") && flag.Name != "version" {
		text += " Default: " + flag.Default + "."
	}
	return text
}

func option(b *strings.Builder, flag *kong.Flag) {
	name := "--" + flag.Name
	if flag.Negated || flag.Tag.Negatable != "" {
		name = "--[no-]" + flag.Name
	}
	fmt.Fprintf(b, ".TP\n.B %s", roff(name))
	if value := valueOf(flag); value != "" {
		fmt.Fprintf(b, "=\\fI%s\\fR", roff(value))
	}
	fmt.Fprintf(b, "\n%s\n", roff(describe(flag)))
}

// manual returns sandboxd(8).
func manual(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.\n.TH SANDBOXD 8 %s sandboxd\n", manualDate)
	b.WriteString(".SH NAME\nsandboxd \\- run untrusted Python programs in jails\n.SH SYNOPSIS\n")
	b.WriteString(".B sandboxd\n[\\fICOMMAND\\fR] [\\fISETTING\\fR]...\n.SH DESCRIPTION\n")
	for paragraph := range strings.SplitSeq(app.Help, "\n\n") {
		if !strings.HasPrefix(paragraph, "Exit status") {
			fmt.Fprintf(&b, "%s\n.PP\n", roff(paragraph))
		}
	}
	b.WriteString("As a systemd service, the daemon is configured by\n.IR /etc/sandboxd/config.yaml :\nsee\n.BR sandboxd.yaml (5).\n")
	b.WriteString(".SH COMMANDS\n")
	for _, c := range commandsOf(app.Node, "") {
		fmt.Fprintf(&b, ".SS sandboxd %s", roff(c.path))
		for _, arg := range c.args {
			name := strings.ToUpper(arg.Name)
			if !arg.Required {
				name = "[" + name + "]"
			}
			fmt.Fprintf(&b, " %s", roff(name))
		}
		fmt.Fprintf(&b, "\n%s\n", roff(c.help))
		for _, flag := range c.flags {
			option(&b, flag)
		}
	}
	group := ""
	b.WriteString(".SH SETTINGS\nEach setting is also a variable in the environment, such as\n.B SANDBOXD_LISTEN\nfor\n.BR \\-\\-listen .\nIt has precedence over the file of\n.BR \\-\\-config .\n")
	for _, flag := range settingsOf(app) {
		if flag.Group != nil && flag.Group.Key != group {
			group = flag.Group.Key
			fmt.Fprintf(&b, ".SS %s\n", roff(strings.TrimSuffix(cmp.Or(flag.Group.Title, group), ":")))
		}
		option(&b, flag)
	}
	b.WriteString(`.SH EXIT STATUS
0 on success, 1 after a failure, 2 if the command line or the configuration is wrong.
.B sandboxd run
exits with the status of the program, and with 128 plus the number of a signal that ended it.
.SH SIGNALS
SIGTERM and SIGINT let runs in progress finish, for
.B \-\-drain\-timeout
at most.
SIGHUP reads the files of keys and certificates again.
.SH FILES
.TP
.I /etc/sandboxd/config.yaml
the settings of the service
.TP
.I /run/sandboxd/root
the root directory of the service, which is empty
.SH EXAMPLES
.nf
sandboxd doctor
sandboxd run \-\-policy=off program.py
sandboxd check \-\-config=/etc/sandboxd/config.yaml
.fi
.SH SEE ALSO
.BR sandboxd.yaml (5),
.BR systemctl (1),
.BR seccomp (2),
.BR cgroups (7)
`)
	return b.String()
}

// manualOfFile returns sandboxd.yaml(5).
func manualOfFile(app *kong.Application) string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.\n.TH SANDBOXD.YAML 5 %s sandboxd\n", manualDate)
	b.WriteString(`.SH NAME
sandboxd.yaml \- settings of sandboxd
.SH DESCRIPTION
The file of
.B sandboxd \-\-config
is a YAML mapping. The service reads
.IR /etc/sandboxd/config.yaml .
A flag and a variable in the environment have precedence over the file.
.B sandboxd check
reports whether the settings are valid, and where each comes from. A change takes effect when the daemon is restarted.
.PP
A size is a number of bytes, optionally with the unit k, M, G or T (powers of 1024). A time has the unit ms, s, m or h. Settings that can be
given several times are lists.
.SH KEYS
`)
	for _, flag := range settingsOf(app) {
		if flag.Name == "config" {
			continue
		}
		value := valueOf(flag)
		switch {
		case flag.IsBool():
			value = "true|false"
		case flag.IsSlice():
			value = "[" + value + ", ...]"
		case flag.IsMap():
			value = "{NAME: [MODULE, ...]}"
		}
		fmt.Fprintf(&b, ".TP\n.BR %s: \" \\fI%s\\fR\"\n%s\n", roff(flag.Name), roff(value), roff(describe(flag)))
	}
	b.WriteString(".SH EXAMPLE\n.nf\npolicy: strict\nwall: 5s\nmemory: 256MiB\nhost: [play.example.com]\ntemplates: {default: [], data: [numpy, pandas]}\n.fi\n.SH SEE ALSO\n.BR sandboxd (8)\n")
	return b.String()
}

// flagsFor returns the flags of a command: its own, and the settings.
func flagsFor(app *kong.Application, c manualCommand) []*kong.Flag {
	return append(slices.Clone(c.flags), settingsOf(app)...)
}

func allFlags(app *kong.Application) (all []*kong.Flag) {
	seen := map[string]bool{}
	for _, c := range commandsOf(app.Node, "") {
		for _, flag := range flagsFor(app, c) {
			if !seen[flag.Name] {
				seen[flag.Name] = true
				all = append(all, flag)
			}
		}
	}
	return all
}

func takesFile(flag *kong.Flag) bool { return flag.PlaceHolder == "FILE" || flag.Name == "python" }

// subcommands returns the names of the commands below a path, separated by spaces.
func subcommands(app *kong.Application, path string) string {
	var names []string
	for _, c := range commandsOf(app.Node, "") {
		rest, found := strings.CutPrefix(c.path, strings.TrimSpace(path))
		if name, _, _ := strings.Cut(strings.TrimSpace(rest), " "); found && name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

func bashCompletion(app *kong.Application) string {
	var enums, files, others, names []string
	for _, flag := range allFlags(app) {
		names = append(names, "--"+flag.Name)
		switch {
		case flag.IsBool():
		case flag.Enum != "":
			enums = append(enums, fmt.Sprintf("\t--%s) words=%q ;;\n", flag.Name, strings.ReplaceAll(flag.Enum, ",", " ")))
		case takesFile(flag):
			files = append(files, "--"+flag.Name)
		default:
			others = append(others, "--"+flag.Name)
		}
	}
	return fmt.Sprintf(`# Completion of sandboxd for bash. Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.
_sandboxd() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flag= words= path= word
	# The default of COMP_WORDBREAKS makes three words of --flag=value.
	if [[ $current == "=" ]]; then
		flag=$before current=
	elif [[ $before == "=" ]]; then
		flag=${COMP_WORDS[COMP_CWORD-2]}
	else
		flag=$before
	fi
	case $flag in
%s	%s)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return ;;
	%s) return ;;
	esac
	if [[ -z $words ]]; then
		for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
			case $word in -* | = | */* | *.*) ;; *) path+="${path:+ }$word" ;; esac
		done
		case $path in
		"") words=%q ;;
		keys) words=%q ;;
		profile) words=%q ;;
		esac
		case $current in
		-*) words=%q ;;
		*) [[ -n $words ]] || { mapfile -t COMPREPLY < <(compgen -f -- "$current"); return; } ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -o filenames -F _sandboxd sandboxd
`, strings.Join(enums, ""), strings.Join(files, " | "), strings.Join(others, " | "),
		subcommands(app, ""), subcommands(app, "keys"), subcommands(app, "profile"), strings.Join(names, " "))
}

// brief returns the first sentence of a help text, without characters that mean something to a shell.
func brief(help string) string {
	text, _, _ := strings.Cut(help, ". ")
	text = strings.NewReplacer("'", "", `"`, "", "[", "(", "]", ")", ":", ",", "`", "", "$", "").Replace(text)
	return strings.TrimSuffix(text, ".")
}

func zshCompletion(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("#compdef sandboxd\n# Completion of sandboxd for zsh. Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.\n_arguments -s \\\n")
	for _, flag := range allFlags(app) {
		fmt.Fprintf(&b, "\t'*--%s", flag.Name)
		switch {
		case flag.IsBool():
			fmt.Fprintf(&b, "[%s]' \\\n", brief(flag.Help))
		case flag.Enum != "":
			fmt.Fprintf(&b, "=[%s]:value:(%s)' \\\n", brief(flag.Help), strings.ReplaceAll(flag.Enum, ",", " "))
		case takesFile(flag):
			fmt.Fprintf(&b, "=[%s]:file:_files' \\\n", brief(flag.Help))
		default:
			fmt.Fprintf(&b, "=[%s]:value:' \\\n", brief(flag.Help))
		}
	}
	fmt.Fprintf(&b, "\t'1:command:(%s)' \\\n\t'*:argument:{ case $words[2] in keys) compadd %s;; profile) compadd %s;; *) _files;; esac }'\n",
		subcommands(app, ""), subcommands(app, "keys"), subcommands(app, "profile"))
	return b.String()
}

func fishCompletion(app *kong.Application) string {
	var b strings.Builder
	b.WriteString("# Completion of sandboxd for fish. Made by cmd/sandboxd/manual_test.go from the settings of sandboxd.\n")
	for _, command := range app.Children {
		fmt.Fprintf(&b, "complete -c sandboxd -n __fish_use_subcommand -xa %s -d '%s'\n", command.Name, brief(command.Help))
	}
	for _, name := range []string{"keys", "profile"} {
		fmt.Fprintf(&b, "complete -c sandboxd -n '__fish_seen_subcommand_from %s' -xa '%s'\n", name, subcommands(app, name))
	}
	for _, flag := range allFlags(app) {
		fmt.Fprintf(&b, "complete -c sandboxd -l %s -d '%s'", flag.Name, brief(flag.Help))
		switch {
		case flag.IsBool():
		case flag.Enum != "":
			fmt.Fprintf(&b, " -xa '%s'", strings.ReplaceAll(flag.Enum, ",", " "))
		case takesFile(flag):
			b.WriteString(" -r")
		default:
			b.WriteString(" -x")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// TestManualIsCurrent compares the committed manual pages and completions with the settings.
func TestManualIsCurrent(t *testing.T) {
	app := model(t)
	for name, text := range map[string]string{
		"man/sandboxd.8": manual(app), "man/sandboxd.yaml.5": manualOfFile(app),
		"completions/sandboxd.bash": bashCompletion(app), "completions/_sandboxd": zshCompletion(app), "completions/sandboxd.fish": fishCompletion(app),
	} {
		file := filepath.Join(packaging, name)
		if os.Getenv("SANDBOXD_TEST_UPDATE") == "1" {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if found, err := os.ReadFile(file); err != nil || string(found) != text {
			t.Errorf("packaging/%s is not that of the settings (%v): SANDBOXD_TEST_UPDATE=1 go test -run TestManualIsCurrent ./cmd/sandboxd", name, err)
		}
	}
}

// TestManualPages checks the pages with the formatter of man(1), which must have nothing to complain about.
func TestManualPages(t *testing.T) {
	if testenv.InLab() {
		t.Skip("no groff in the lab")
	}
	groff, err := exec.LookPath("groff")
	if err != nil {
		testenv.Missing(t, "groff")
	}
	for page, wants := range map[string][]string{
		"sandboxd.8":      {"sandboxd keys create", "--max-output=SIZE", "--[no-]prepare-fonts", "Default: 256MiB.", "SANDBOXD_LISTEN", "EXIT STATUS"},
		"sandboxd.yaml.5": {"cors-origin: [ORIGIN, ...]", "templates: {NAME: [MODULE, ...]}", "isolation: required|best-effort"},
	} {
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-z", filepath.Join(packaging, "man", page))
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", page, err, out)
		}
		text, err := exec.CommandContext(t.Context(), groff, "-man", "-Tascii", "-rLL=200n", "-P-cbou", filepath.Join(packaging, "man", page)).Output()
		if err != nil {
			t.Error(err)
		}
		for _, want := range wants {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("%s does not show %q:\n%.2000s", page, want, text)
			}
		}
	}
}

// TestCompletions asks the shells themselves.
func TestCompletions(t *testing.T) {
	if testenv.InLab() {
		t.Skip("no other shells in the lab")
	}
	for _, tt := range []struct {
		line string // as typed so far
		want string // one of the completions
		not  string
	}{
		{"sandboxd ", "doctor", "create"},
		{"sandboxd do", "doctor", "serve"},
		{"sandboxd keys ", "revoke", "doctor"},
		{"sandboxd serve --iso", "--isolation", "--wall"},
		{"sandboxd serve --isolation ", "best-effort", "doctor"},
		{"sandboxd serve --isolation=b", "best-effort", "required"},
		{"sandboxd run --rem", "--remote", "--queue"},
	} {
		for shell, script := range map[string]string{
			"bash": `source ` + packaging + `/completions/sandboxd.bash
				line=${1//=/ = }; read -ra COMP_WORDS <<<"$line"; [[ $line != *" " ]] || COMP_WORDS+=("")
				COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _sandboxd; printf '%s\n' "${COMPREPLY[@]}"`,
			"fish": `source ` + packaging + `/completions/sandboxd.fish; complete -C $argv[1] | string replace -r '\t.*' ''; true`,
		} {
			path, err := exec.LookPath(shell)
			if err != nil {
				testenv.Missing(t, shell)
			}
			args := []string{"-c", script, "-", tt.line}
			if shell == "fish" {
				args = []string{"--no-config", "-c", script, tt.line}
			}
			out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) || strings.Contains(string(out), tt.not) {
				t.Errorf("%s completes %q with %q, %v; want %s and not %s", shell, tt.line, out, err, tt.want, tt.not)
			}
		}
	}
	zsh, err := exec.LookPath("zsh")
	if err != nil {
		testenv.Missing(t, "zsh")
	}
	if out, err := exec.CommandContext(t.Context(), zsh, "-n", packaging+"/completions/_sandboxd").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("zsh: %v: %s", err, out)
	}
}
