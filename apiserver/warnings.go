package apiserver

import (
	"net/http"
	"sync"
	"unicode/utf8"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// How much warnings may say in all, and each of them once that was too much, in
// characters.
const (
	maxWarnings = 4096
	maxWarning  = 256
)

// warnings puts warnings into the headers of an answer.
type warnings struct {
	header http.Header

	mu      sync.Mutex // guards the rest, and the header
	seen    map[string]bool
	said    []warningText
	written int
	cut     bool // each to maxWarning
}

type warningText struct{ agent, text string }

// AddWarning implements warning.Recorder.
func (w *warnings) AddWarning(agent, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if text == "" || w.seen[text] || w.cut && w.written >= maxWarnings {
		return
	}
	if agent == "" {
		agent = "-"
	}
	if w.seen == nil {
		w.seen = map[string]bool{}
	}
	w.seen[text] = true
	w.said = append(w.said, warningText{agent, text})
	if w.cut || w.written+utf8.RuneCountInString(text) <= maxWarnings {
		w.write(agent, text)
		return
	}
	w.cut, w.written = true, 0
	w.header.Del("Warning")
	for _, said := range w.said {
		w.write(said.agent, said.text)
	}
}

func (w *warnings) write(agent, text string) {
	if w.cut && len(text) > maxWarning {
		if runes := []rune(text); len(runes) > maxWarning {
			text = string(runes[:maxWarning])
		}
	}
	if h, err := utilnet.NewWarningHeader(299, agent, text); err == nil {
		w.written += utf8.RuneCountInString(text)
		w.header.Add("Warning", h)
	}
}
