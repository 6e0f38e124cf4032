package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func configFile(t *testing.T, content string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTemplatesFromFlagEnvironmentAndFile(t *testing.T) {
	file := configFile(t, "engine: fork\nrenew-templates: 90s\ntemplates: {default: [], data: [numpy, pandas, matplotlib.pyplot]}\n")
	const fromFile = "1m30s map[data:[numpy pandas matplotlib.pyplot] default:[]]"
	for _, tt := range []struct {
		name, env string
		args      []string
		want      string
	}{
		{"the default", "", nil, "1h0m0s map[]"},
		{"the file", "", []string{"--config=" + file}, fromFile},
		{"a flag", "", []string{"--engine=fork", "--templates=data=numpy,pandas"}, "1h0m0s map[data:[numpy pandas]]"},
		{"one flag for each template", "", []string{"--engine=fork", "--templates=a=json", "--templates", "b=re, os.path", "--templates=c="}, "1h0m0s map[a:[json] b:[re os.path] c:[]]"},
		{"one flag for all templates", "", []string{"--engine=fork", "--templates=a=json; b=re;"}, "1h0m0s map[a:[json] b:[re]]"},
		{"the environment over the file", "a=json;b=re", []string{"--config=" + file}, "1m30s map[a:[json] b:[re]]"},
		{"a flag over both", "a=json", []string{"--config=" + file, "--templates=c=re"}, "1m30s map[c:[re]]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.env != "" {
				t.Setenv("SANDBOXD_TEMPLATES", tt.env)
			}
			c, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			config, err := c.jail(nil)
			if got := fmt.Sprint(config.RenewTemplates, " ", config.Templates); err != nil || got != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
}

func TestImpossibleTemplatesAreErrors(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		args       []string
		want       string
	}{
		{"templates with engine exec", "templates: {data: [json]}", nil, "config.yaml:1: templates: engine exec has no templates: set --engine=fork, or remove the templates"},
		{"a name in capitals", "engine: fork\ntemplates: {Data: [json]}", nil, `"Data": a template's name has 1 to 32 of the characters a-z, 0-9, _ and -`},
		{"a long name", "", []string{"--engine=fork", "--templates=" + strings.Repeat("x", 33) + "=json"}, "a template's name has 1 to 32"},
		{"no name", "", []string{"--engine=fork", "--templates==json"}, "a template's name has 1 to 32"},
		{"no equals sign", "", []string{"--engine=fork", "--templates=data"}, `"data": give NAME=MODULE,MODULE`},
		{"a duplicate name", "", []string{"--engine=fork", "--templates=a=json", "--templates=a=re"}, `template "a" is given twice`},
		{"an invalid module name", "engine: fork\ntemplates: {data: [json, 'os; x']}", nil, `template "data": "os; x" is not the name of a module, such as matplotlib.pyplot`},
		{"a number", "engine: fork\ntemplates: {data: [1]}", nil, `"1" is not the name of a module`},
		{"a dot at the end", "engine: fork\ntemplates: {data: [os.]}", nil, `"os." is not the name of a module`},
		{"a word in the file", "engine: fork\ntemplates: data=json", nil, `config.yaml:2: templates: is "data=json": give names with lists of modules, such as {data: [numpy, pandas]}`},
		{"nothing in the file", "engine: fork\ntemplates:", nil, `config.yaml:2: templates: has no value`},
		{"a word instead of a list", "engine: fork\ntemplates: {data: json}", nil, `template "data": give a list of modules, such as [numpy, pandas], not json`},
		{"renewed too often", "renew-templates: 10ms", nil, "config.yaml:1: renew-templates: 10ms is too small: give a time from 1s to 720h"},
		{"renewed too rarely", "renew-templates: 721h", nil, "renew-templates: 721h is too large"},
		{"fewer uids than jails", "", []string{"--engine=fork", "--concurrency=8", "--warm=10", "--templates=a=;b=", "--uid-count=48"}, "--uid-count: 48 is too small: give a whole number from 49"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(append(tt.args, "--config="+configFile(t, tt.file)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

// The settings in the installed configuration file exist.
func TestInstalledFileIsValid(t *testing.T) {
	installed, err := os.ReadFile("../../systemd/config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parse([]string{"--config=" + configFile(t, string(installed))}); err != nil {
		t.Error(err)
	}
	shown := regexp.MustCompile(`(?m)^# ([a-z-]+: )`).ReplaceAllString(string(installed), "$1")
	c, err := parse([]string{"--config=" + configFile(t, shown)})
	if err != nil || c.Engine != "fork" || len(c.Templates) == 0 {
		t.Errorf("without its comment signs: %v, %v", err, c)
	}
}

// If a template does not start, the commands report its name and Python's error.
func TestTemplateThatFailsIsReportedWithPythonsError(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"serve", []string{"serve", "--listen=127.0.0.1:0"}, nil},
		{"run", []string{"run", "--template=data", "main.go"}, nil},
		{"doctor", []string{"doctor"}, []string{"MISSING  templates", "remedy: install the modules that it imports for /usr/bin/python3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := command(t, append(tt.args, isolation(), "--policy=off", "--engine=fork", "--templates=good=json", "--templates=data=json,no_such_module")...).CombinedOutput()
			if err == nil {
				t.Error("it is content")
			}
			for _, want := range append(tt.want, `template "data"`, "ModuleNotFoundError: No module named 'no_such_module'") {
				if !strings.Contains(string(out), want) {
					t.Errorf("no %s in:\n%s", want, out)
				}
			}
			if strings.Contains(string(out), "root-file-system") && tt.name != "doctor" {
				t.Errorf("a layer is blamed:\n%s", out)
			}
		})
	}
}

func TestDoctorStartsTheTemplates(t *testing.T) {
	out, err := command(t, "doctor", "--json", isolation(), "--engine=fork", "--templates=words=json,re").Output()
	var findings []finding
	if jsonErr := json.Unmarshal(out, &findings); err != nil || jsonErr != nil {
		t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	if last := findings[len(findings)-1]; last.Layer != "templates" || !last.Works || last.Detail != "default, words" {
		t.Errorf("%+v", last)
	}
}

func TestRunCommandForksTheTemplate(t *testing.T) {
	const program = "import sys\nprint('wave' in sys.modules)"
	for _, tt := range []struct {
		name string
		args []string
		want string // of both streams
	}{
		{"exec", nil, "False\n"},
		{"exec has a default", []string{"--template=default"}, "False\n"},
		{"exec has no other", []string{"--template=sound"}, "sandboxd: --template: there is none named \"sound\", only default (see --engine and --templates)\n"},
		{"fork", []string{"--engine=fork", "--templates=sound=wave"}, "False\n"},
		{"the named one", []string{"--engine=fork", "--templates=sound=wave", "--template=sound"}, "True\n"},
		{"others need not start", []string{"--engine=fork", "--templates=sound=no_such_module"}, "False\n"},
		{"a configured default", []string{"--engine=fork", "--templates=default=wave"}, "True\n"},
		{"an unknown one", []string{"--engine=fork", "--templates=sound=wave", "--template=light"}, "sandboxd: --template: there is none named \"light\", only default, sound (see --engine and --templates)\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := command(t, append([]string{"run", isolation(), "--policy=off", "--log-level=error", "-"}, tt.args...)...)
			cmd.Stdin = strings.NewReader(program)
			out, err := cmd.CombinedOutput()
			if string(out) != tt.want || (err == nil) != !strings.HasPrefix(tt.want, "sandboxd:") {
				t.Errorf("%v: %q, want %q", err, out, tt.want)
			}
		})
	}
}

func TestRequestsNameTheirTemplate(t *testing.T) {
	d := start(t, "--policy=off", "--engine=fork", "--warm=1", "--templates=sound=wave", "--templates=default=colorsys")
	for _, tt := range []struct {
		name, fields string
		status       int
		want         string
	}{
		{"none", ``, 200, `{"stdout":"False True\n","stderr":""}`},
		{"the default", `,"template":"default"`, 200, `{"stdout":"False True\n","stderr":""}`},
		{"another", `,"template":"sound"`, 200, `{"stdout":"True False\n","stderr":""}`},
		{"an unknown one", `,"template":"light"`, 422, `{"detail":[{"type":"literal_error","loc":["body","template"],"msg":"Input should be 'default' or 'sound'","input":"light","ctx":{"expected":"'default' or 'sound'"}}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 3 { // both from waiting jails and cold
				a := d.post(t, `{"code":"import sys\nprint('wave' in sys.modules, 'colorsys' in sys.modules)"`+tt.fields+`}`)
				if a.status != tt.status || a.body != tt.want {
					t.Errorf("status %d: %s", a.status, a.body)
				}
			}
		})
	}
	if body := d.get(t, "/openapi.json").body; !strings.Contains(body, `"enum":["default","sound"]`) {
		t.Errorf("the description does not have them: %s", body)
	}
}

func TestWaitingJailsAreSeenAndTaken(t *testing.T) {
	for _, tt := range []struct {
		name, engine string
		args         []string
		waiting      string // without demand: one of each template
		start        string
	}{
		{"none", "exec", nil, "0", "cold"},
		{"exec", "exec", []string{"--warm=2"}, "1", "warm"},
		{"fork", "fork", []string{"--warm=2", "--templates=sound=wave"}, "2", "warm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, append(tt.args, "--engine="+tt.engine)...)
			waitFor(t, "jails", func() bool { return d.metric(t, "sandboxd_waiting_jails") == tt.waiting })
			if s, _ := d.execute(t, "print(1)"); s.Stdout != "1\n" {
				t.Errorf("%+v", s)
			}
			if got := d.metric(t, `sandboxd_starts_total{start="`+tt.start+`"}`); got != "1" {
				t.Errorf("%s starts are %s", tt.start, got)
			}
			waitFor(t, "the record of the run", func() bool { return strings.Contains(d.log.String(), " verdict=exited start="+tt.start+" ") })
			if body := d.get(t, "/healthz").body; !strings.Contains(body, `"engine":"`+tt.engine+`"`) {
				t.Errorf("health: %s", body)
			}
		})
	}
}
