package apiserver

import (
	"fmt"
	"net/http"
	"runtime"
	"time"

	"k8s.io/apimachinery/pkg/version"

	"github.com/keelson-project/keelson/apiserver/codec"
)

// KubernetesVersion is the version of Kubernetes that Keelson follows.
const KubernetesVersion = "v1.37.2"

// completeVersion fills in what an unmarked build of the Kubernetes version
// that Keelson follows says of itself.
func completeVersion(v version.Info) version.Info {
	set := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	set(&v.Major, "1")
	set(&v.Minor, "37")
	set(&v.EmulationMajor, "1")
	set(&v.EmulationMinor, "37")
	set(&v.MinCompatibilityMajor, "1")
	set(&v.MinCompatibilityMinor, "36")
	set(&v.GitVersion, KubernetesVersion)
	set(&v.GitCommit, "$Format:%H$")
	set(&v.BuildDate, "1970-01-01T00:00:00Z")
	set(&v.GoVersion, runtime.Version())
	set(&v.Compiler, runtime.Compiler)
	set(&v.Platform, runtime.GOOS+"/"+runtime.GOARCH)
	return v
}

func (s *Server) serveVersion(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		s.endpoint.NotAllowed(w, r)
		return
	}
	if err := codec.Routable(r, codec.Names()[:1]); err != nil {
		s.endpoint.Error(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, s.cfg.Version)
}

const notForMachines = "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.\n"

// serveStatus tells people what runs here, and since when.
func (s *Server) serveStatus(w http.ResponseWriter, _ *http.Request) {
	up := time.Since(s.begun).Truncate(time.Second)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "\napiserver statusz\n%s\nStarted:  %s\nUp:  %d hr %02d min %02d sec\nGo version:  %s\nBinary version:  %s\nEmulation version:  %s.%s\nPaths:  %s\n",
		notForMachines, s.begun.UTC().Format(time.UnixDate), int(up.Hours()), int(up.Minutes())%60, int(up.Seconds())%60,
		s.cfg.Version.GoVersion, s.cfg.Version.GitVersion[1:], s.cfg.Version.EmulationMajor, s.cfg.Version.EmulationMinor,
		"/flagz /healthz /livez /metrics /readyz /statusz /version")
}

// serveFlags lists the flags that the server was started with. It is a part of
// a program, and has none.
func (s *Server) serveFlags(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "\napiserver flagz\n%s", notForMachines)
}

// serveVerbosity says that how much is logged is for the program to choose.
func serveVerbosity(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if r.Method != http.MethodPut {
		w.WriteHeader(http.StatusNotAcceptable)
		fmt.Fprintln(w, "unsupported http method")
		return
	}
	w.WriteHeader(http.StatusBadRequest)
	fmt.Fprintln(w, "the verbosity of this server's log is its program's choice")
}
