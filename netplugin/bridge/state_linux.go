package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/keelson-project/keelson/netplugin"
)

// record is what is remembered of an attachment, as a file of its own.
type record struct {
	SandboxID    string                  `json:"sandboxID"`
	PodNamespace string                  `json:"podNamespace,omitempty"`
	PodName      string                  `json:"podName,omitempty"`
	PodUID       string                  `json:"podUID,omitempty"`
	NetNS        string                  `json:"netns,omitempty"`
	IPs          []netip.Addr            `json:"ips"`
	Ports        []netplugin.PortMapping `json:"ports,omitempty"`
}

func (r *record) result(gateway netip.Addr) netplugin.Result {
	return netplugin.Result{IPs: append([]netip.Addr(nil), r.IPs...), Gateway: gateway}
}

// state is the directory of records. Its files are written whole under
// another name, synced and renamed, so that each is there or is not.
type state struct{ dir string }

const recordSuffix = ".json"

func openState(dir string) (*state, error) {
	if err := os.MkdirAll(filepath.Join(dir, "attachments"), 0o700); err != nil {
		return nil, fmt.Errorf("state of the pod network: %w", err)
	}
	return &state{dir: dir}, nil
}

func (s *state) path(sandboxID string) string {
	return filepath.Join(s.dir, "attachments", url.PathEscape(sandboxID)+recordSuffix)
}

// load reads all records. Leftovers of interrupted writes are removed.
func (s *state) load() ([]*record, error) {
	dir := filepath.Join(s.dir, "attachments")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("state of the pod network: %w", err)
	}
	var records []*record
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if !strings.HasSuffix(entry.Name(), recordSuffix) {
			if err := os.Remove(path); err != nil {
				return nil, fmt.Errorf("state of the pod network: %w", err)
			}
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("state of the pod network: %w", err)
		}
		r := new(record)
		if err := json.Unmarshal(data, r); err != nil {
			return nil, fmt.Errorf("%s is damaged; remove it if its pod is gone: %w", path, err)
		}
		records = append(records, r)
	}
	return records, nil
}

func (s *state) save(r *record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return writeFile(s.path(r.SandboxID), data, true)
}

func (s *state) remove(sandboxID string) error {
	if err := os.Remove(s.path(sandboxID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget attachment: %w", err)
	}
	return nil
}

// saveTurn remembers the addresses given out last. Losing it to a power cut
// costs nothing but an address reused early, so it is not synced.
func (s *state) saveTurn(recent []netip.Addr) error {
	data, err := json.Marshal(recent)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(s.dir, "turn.json"), data, false)
}

func (s *state) turn() []netip.Addr {
	data, err := os.ReadFile(filepath.Join(s.dir, "turn.json"))
	if err != nil {
		return nil
	}
	var recent []netip.Addr
	if json.Unmarshal(data, &recent) != nil {
		return nil
	}
	return recent
}

func writeFile(path string, data []byte, synced bool) error {
	temporary := path + ".new"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("remember attachment: %w", err)
	}
	_, err = f.Write(data)
	if err == nil && synced {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("remember attachment: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("remember attachment: %w", err)
	}
	return nil
}
