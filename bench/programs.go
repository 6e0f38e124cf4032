package main

import (
	"fmt"
	"strconv"
	"time"
)

// program is a program with its expected output.
type program struct {
	name, source string
	want         string // all of stdout; if empty, stdout ends with a time in seconds
	one          int    // it runs in one of so many rounds: slow programs have fewer rounds
	template     string // template with the modules that it imports
}

var programs = []program{
	{name: "print", source: "print(1)", want: "1\n", one: 1},
	{name: "compute", source: "print(sum(i * i % 7 for i in range(200_000)))", want: "399999\n", one: 4},
	{name: "import", source: "import json, re, datetime\nprint(json.dumps({'day': str(datetime.date(2000, 1, 1)), 'ok': bool(re.match('a+', 'aa'))}))",
		want: `{"day": "2000-01-01", "ok": true}` + "\n", one: 4},
	{name: "data", source: `import matplotlib.pyplot, numpy, pandas
table = pandas.DataFrame({"x": numpy.arange(100) % 7, "y": numpy.arange(100)})
means = table.groupby("x").y.mean()
matplotlib.pyplot.plot(means)
print(means.sum())
`, want: "346.5\n", one: 20, template: "data"},
}

// templates is the configuration of engine fork.
const templates = `templates:
  default: []
  data: [numpy, pandas, matplotlib.pyplot]
`

var (
	printing = programs[0]
	// These programs measure their own time, so that only their work is compared, and not the start.
	computing = program{name: "compute", source: `import time
begin = time.perf_counter()
sum(i * i % 7 for i in range(1_000_000))
print(time.perf_counter() - begin)
`}
	// get_native_id makes exactly one system call, gettid(2): no C library caches the result.
	calling = program{name: "system calls", source: `import _thread, time
call = _thread.get_native_id
begin = time.perf_counter()
for _ in range(200_000): call()
print(time.perf_counter() - begin)
`}
)

// talking prints many lines. Bare python3 makes one write for many lines, and a run makes one write for each line.
var talking = program{name: "lines", source: `import time
begin = time.perf_counter()
for i in range(100_000): print(i)
print(time.perf_counter() - begin)
`}

// sleeper returns a program that sleeps until a moment, and prints when it slept.
func sleeper(until time.Time) program {
	return program{name: "sleep", source: fmt.Sprintf(`import time
begin = time.time()
time.sleep(max(0, %.3f - begin))
print(begin)
`, float64(until.UnixMilli())/1000)}
}

// right reports whether the output is correct.
func (p program) right(stdout string) bool {
	if p.want != "" {
		return stdout == p.want
	}
	_, err := seconds(stdout)
	return err == nil
}

// seconds parses the last line of a program that measures its own time.
func seconds(stdout string) (float64, error) {
	return strconv.ParseFloat(lastLine(stdout), 64)
}
