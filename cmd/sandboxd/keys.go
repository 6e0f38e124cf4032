package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sandboxd/sandboxd/internal/callers"
)

// keysCommand manages the file of --keys. A daemon that serves notices each change.
type keysCommand struct {
	Create createKey  `cmd:"" help:"Make a key and print its token, which is stored nowhere. --rate, --burst, --concurrency, --wall, --memory and --policy on the command line are limits of the key."`
	List   listKeys   `cmd:"" help:"List the keys and their limits."`
	Revoke revokeKeys `cmd:"" help:"Remove a key. Its holder is refused from then on; runs under way go on."`
}

type createKey struct {
	Name        string   `arg:"" help:"The name of the key, which the log has."`
	Environment []string `placeholder:"NAME" help:"The environments that the holder may use. Default: all."`
	Expires     string   `placeholder:"WHEN" help:"When the key expires: after a time, such as 90d or 12h, or at a date, such as 2027-01-31. Default: never."`
}

// Run makes a key. Its limits are those settings of the daemon that are on this command line.
func (c createKey) Run(s *settings) error {
	path, err := s.keysPath()
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	key := callers.Key{Name: c.Name, Created: now, Environments: c.Environment}
	if key.Expires, err = expiry(c.Expires, now); err != nil {
		return err
	}
	for setting, limit := range map[string]func(){
		"rate":        func() { key.Rate = s.Rate },
		"burst":       func() { key.Burst = s.Burst },
		"concurrency": func() { key.Concurrency = s.Concurrency },
		"wall":        func() { key.WallSeconds = s.Wall.Seconds() },
		"memory":      func() { key.MemoryBytes = int64(s.Memory) },
		"policy":      func() { key.Policy = s.Policy },
	} {
		if s.origins[setting].where == "--"+setting {
			limit()
		}
	}
	token, err := callers.Create(path, key)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "The token of %s follows. It is stored nowhere: keep it now.\n", c.Name)
	_, err = fmt.Println(token)
	return err
}

// expiry reads --expires. It returns the zero time for "".
func expiry(text string, now time.Time) (at time.Time, err error) {
	if text == "" {
		return time.Time{}, nil
	}
	var after time.Duration
	days, isDays := strings.CutSuffix(text, "d")
	n, failed := strconv.Atoi(days)
	switch {
	case isDays && failed == nil && n <= 100*365:
		at = now.AddDate(0, 0, n)
	default:
		if after, err = time.ParseDuration(text); err == nil {
			at = now.Add(after)
		} else if at, err = time.Parse(time.DateOnly, text); err != nil {
			at, err = time.Parse(time.RFC3339, text)
		}
	}
	if err != nil {
		return at, fmt.Errorf("--expires: %q is no time: give a time such as 90d or 12h, or a date such as 2027-01-31", text)
	}
	if !at.After(now) {
		return at, fmt.Errorf("--expires: %s is not in the future", text)
	}
	return at.UTC(), nil
}

type listKeys struct{}

// Run lists the keys.
func (listKeys) Run(s *settings) error {
	path, err := s.keysPath()
	if err != nil {
		return err
	}
	keys, err := callers.Read(path)
	if err != nil {
		return err
	}
	return printKeys(os.Stdout, keys, time.Now())
}

func printKeys(to io.Writer, keys []callers.Key, now time.Time) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tCREATED\tEXPIRES\tLIMITS")
	for _, key := range keys {
		expires := "never"
		switch {
		case key.Expired(now):
			expires = "expired"
		case !key.Expires.IsZero():
			expires = key.Expires.Format(time.DateTime)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", key.Name, key.Created.Format(time.DateTime), expires, limitsOf(key))
	}
	return table.Flush()
}

// limitsOf returns the limits of a key as the flags that made them.
func limitsOf(key callers.Key) string {
	var flags []string
	if key.Rate > 0 {
		flags = append(flags, "--rate="+strconv.FormatFloat(key.Rate, 'f', -1, 64))
	}
	if key.Burst > 0 {
		flags = append(flags, fmt.Sprintf("--burst=%d", key.Burst))
	}
	if key.Concurrency > 0 {
		flags = append(flags, fmt.Sprintf("--concurrency=%d", key.Concurrency))
	}
	if key.WallSeconds > 0 {
		flags = append(flags, "--wall="+key.Wall().String())
	}
	if key.MemoryBytes > 0 {
		flags = append(flags, "--memory="+size(key.MemoryBytes).String())
	}
	if key.Policy != "" {
		flags = append(flags, "--policy="+key.Policy)
	}
	for _, name := range key.Environments {
		flags = append(flags, "--environment="+name)
	}
	return strings.Join(flags, " ")
}

type revokeKeys struct {
	Name string `arg:"" help:"The name of the key."`
}

// Run removes a key.
func (c revokeKeys) Run(s *settings) error {
	path, err := s.keysPath()
	if err != nil {
		return err
	}
	return callers.Revoke(path, c.Name)
}

// keysPath returns the path of the file of keys.
func (s *settings) keysPath() (string, error) {
	if s.KeysFile == "" {
		return "", errors.New("no file of keys is given: name it with --keys FILE, or name a configuration file that has the setting keys with --config FILE")
	}
	return s.KeysFile, nil
}
