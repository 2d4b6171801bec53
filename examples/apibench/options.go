package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// options are the flags, checked.
type options struct {
	targets  []target
	only     *regexp.Regexp
	pods     int // to create, give a status and delete, for each encoding
	list     int // to list
	repeat   int // of each list
	clients  int
	gets     int
	watchers int
	events   int
	http1    bool
	idle     time.Duration
	timeout  time.Duration
}

// target is an API server to measure: one that runs, or how to start it.
type target struct {
	name       string
	kubeconfig string
	command    []string
}

// targets is a repeatable flag NAME=TEXT.
type targets struct {
	list *[]target
	set  func(t *target, text string)
}

// String implements flag.Value.
func (f targets) String() string { return "" }

// Set implements flag.Value.
func (f targets) Set(arg string) error {
	name, text, ok := strings.Cut(arg, "=")
	if !ok || name == "" || strings.TrimSpace(text) == "" {
		return errors.New("want NAME=…")
	}
	for _, t := range *f.list {
		if t.name == name {
			return fmt.Errorf("there is a target %q already", name)
		}
	}
	t := target{name: name}
	f.set(&t, text)
	*f.list = append(*f.list, t)
	return nil
}

// parse reads the flags.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{}
	flags := flag.NewFlagSet("apibench", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.Var(targets{&o.targets, func(t *target, s string) { t.kubeconfig = s }}, "kubeconfig", "measure a server that runs: `NAME=FILE`; may be given several times")
	flags.Var(targets{&o.targets, func(t *target, s string) { t.command = strings.Fields(s) }}, "server", "start a server and measure it: `NAME=COMMAND`, which writes {dir}/kubeconfig; may be given several times")
	only := flags.String("only", "", "`regexp` of the steps to measure: start, create, status, get, delete, list, watch, idle, stop")
	flags.IntVar(&o.pods, "pods", 5000, "`number` of pods to create, update and delete in each encoding")
	flags.IntVar(&o.list, "list", 10000, "`number` of pods to list")
	flags.IntVar(&o.repeat, "repeat", 5, "`number` of times that each list is read; the median is told")
	flags.IntVar(&o.clients, "clients", 16, "`number` of clients that write and read at the same time")
	flags.IntVar(&o.gets, "gets", 5000, "`number` of single reads")
	flags.IntVar(&o.watchers, "watchers", 1000, "`number` of watchers")
	flags.IntVar(&o.events, "events", 1000, "`number` of events that each watcher receives")
	flags.BoolVar(&o.http1, "http1", false, "use HTTP/1.1 instead of HTTP/2")
	flags.DurationVar(&o.idle, "idle", 30*time.Second, "`time` over which the cost at rest is measured")
	flags.DurationVar(&o.timeout, "timeout", 30*time.Minute, "`time` after which everything is given up")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stderr, "Usage: apibench [FLAG…]\n\n")
			flags.SetOutput(stderr)
			flags.PrintDefaults()
			return o, err
		}
		return o, fmt.Errorf("%w: see apibench -help", err)
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return o, fmt.Errorf("-only: %w", err)
	}
	return o, o.check(flags.Args())
}

// check says what is wrong with the options.
func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is no flag, and there is nothing but flags: see apibench -help", rest[0])
	case len(o.targets) == 0:
		return errors.New("nothing to measure: give -kubeconfig NAME=FILE or -server NAME=COMMAND")
	}
	for _, n := range []struct {
		flag               string
		have, least, limit int
	}{
		{"pods", o.pods, 1, 100000}, {"list", o.list, 1, 200000}, {"repeat", o.repeat, 1, 1000}, {"clients", o.clients, 1, 1000},
		{"gets", o.gets, 1, 1000000}, {"watchers", o.watchers, 1, 20000}, {"events", o.events, 1, 100000},
	} {
		if n.have < n.least || n.have > n.limit {
			return fmt.Errorf("-%s %d is not between %d and %d", n.flag, n.have, n.least, n.limit)
		}
	}
	if o.idle <= 0 || o.timeout <= 0 {
		return errors.New("-idle and -timeout must be above zero")
	}
	return nil
}
