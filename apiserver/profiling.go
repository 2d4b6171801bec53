package apiserver

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"time"
)

// profiles describes what is below /debug/pprof/. Package net/http/pprof would
// do it as well, but puts itself into the process's default HTTP handler.
var profiles = [...][2]string{
	{"allocs", "A sampling of all past memory allocations"},
	{"block", "Stack traces that led to blocking on synchronization primitives"},
	{"cmdline", "The command line invocation of the current program"},
	{"goroutine", "Stack traces of all current goroutines. Use debug=2 as a query parameter to export in the same format as an unrecovered panic."},
	{"heap", "A sampling of memory allocations of live objects. You can specify the gc GET parameter to run GC before taking the heap sample."},
	{"mutex", "Stack traces of holders of contended mutexes"},
	{"profile", "CPU profile. You can specify the duration in the seconds GET parameter. After you get the profile file, use the go tool pprof command to investigate the profile."},
	{"symbol", "Maps given program counters to function names. Counters can be specified in a GET raw query or POST body, multiple counters are separated by '+'."},
	{"threadcreate", "Stack traces that led to the creation of new OS threads"},
	{"trace", "A trace of execution of the current program. You can specify the duration in the seconds GET parameter. After you get the trace file, use the go tool trace command to investigate the trace."},
}

// serveProfile answers with a profile of the whole process.
func serveProfile(w http.ResponseWriter, r *http.Request, name string) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch name {
	case "":
		serveProfiles(w)
	case "cmdline":
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprint(w, strings.Join(os.Args, "\x00"))
	case "profile":
		record(w, r, 30*time.Second, pprof.StartCPUProfile, pprof.StopCPUProfile)
	case "trace":
		record(w, r, time.Second, trace.Start, trace.Stop)
	case "symbol":
		serveSymbols(w, r)
	default:
		serveNamedProfile(w, r, name)
	}
}

// record runs a profiler for the time that the request names.
func record(w http.ResponseWriter, r *http.Request, usual time.Duration, start func(io.Writer) error, stop func()) {
	lasts := usual
	if s, err := strconv.ParseFloat(r.FormValue("seconds"), 64); err == nil && s > 0 {
		lasts = time.Duration(min(s, requestTimeout.Seconds()) * float64(time.Second))
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="profile"`)
	if err := start(w); err != nil {
		w.Header().Del("Content-Disposition")
		http.Error(w, "profiling cannot be begun: "+err.Error(), http.StatusInternalServerError)
		return
	}
	defer stop()
	timer := time.NewTimer(lasts)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
	}
}

func serveNamedProfile(w http.ResponseWriter, r *http.Request, name string) {
	p := pprof.Lookup(name)
	if p == nil {
		http.Error(w, "Unknown profile", http.StatusNotFound)
		return
	}
	if gc, _ := strconv.Atoi(r.FormValue("gc")); name == "heap" && gc > 0 {
		runtime.GC()
	}
	debug, _ := strconv.Atoi(r.FormValue("debug"))
	if debug != 0 {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	} else {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="%s"`, name))
	}
	_ = p.WriteTo(w, debug) // the client is gone if this fails
}

// serveSymbols names the functions at program counters.
func serveSymbols(w http.ResponseWriter, r *http.Request) {
	const mostCounters = 1 << 16
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	var in *bufio.Reader
	if r.Method == http.MethodPost {
		in = bufio.NewReader(io.LimitReader(r.Body, mostCounters*20))
	} else {
		in = bufio.NewReader(strings.NewReader(r.URL.RawQuery))
	}
	fmt.Fprint(w, "num_symbols: 1\n")
	for range mostCounters {
		word, err := in.ReadString('+')
		if pc, bad := strconv.ParseUint(strings.TrimSuffix(word, "+"), 0, 64); bad == nil && pc != 0 {
			if f := runtime.FuncForPC(uintptr(pc)); f != nil {
				fmt.Fprintf(w, "%#x %s\n", pc, f.Name())
			}
		}
		if err != nil {
			return
		}
	}
}

// serveProfiles lists the profiles, for a browser.
func serveProfiles(w http.ResponseWriter) {
	const path = "/debug/pprof/"
	rows := profiles[:]
	for _, p := range pprof.Profiles() {
		if !slices.ContainsFunc(rows, func(have [2]string) bool { return have[0] == p.Name() }) {
			rows = append(slices.Clip(rows), [2]string{p.Name(), ""})
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, "<html>\n<head>\n<title>%[1]s</title>\n<style>\n.profile-name{\n\tdisplay:inline-block;\n\twidth:6rem;\n}\n</style>\n</head>\n<body>\n%[1]s\n<br>\n"+
		"<p>Set debug=1 as a query parameter to export in legacy text format</p>\n<br>\nTypes of profiles available:\n<table>\n<thead><td>Count</td><td>Profile</td></thead>\n", path)
	for _, row := range rows {
		count := 0
		if p := pprof.Lookup(row[0]); p != nil {
			count = p.Count()
		}
		fmt.Fprintf(w, "<tr><td>%d</td><td><a href='%[2]s?debug=1'>%[2]s</a></td></tr>\n", count, html.EscapeString(row[0]))
	}
	fmt.Fprint(w, "</table>\n<a href=\"goroutine?debug=2\">full goroutine stack dump</a>\n<br>\n<p>\nProfile Descriptions:\n<ul>\n")
	for _, row := range rows {
		fmt.Fprintf(w, "<li><div class=profile-name>%s: </div> %s</li>\n", html.EscapeString(row[0]), html.EscapeString(row[1]))
	}
	fmt.Fprint(w, "</ul>\n</p>\n</body>\n</html>\n")
}
