package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/client/pkg/v3/fileutil"
)

// unborn is a file that is in the directory while its very first start is
// under way. A server that dies before its log says who its members are finds
// nobody to elect ever after. As nothing was written to it yet, begin starts
// over in this case.
const unborn = "starting"

// begin prepares the directory for a start.
func begin(dir string) error {
	marker, data := filepath.Join(dir, unborn), filepath.Join(dir, "member")
	if _, err := os.Stat(marker); err == nil {
		if err := os.RemoveAll(data); err != nil {
			return fmt.Errorf("embedded: remove what an unfinished first start left: %w", err)
		}
		return nil
	}
	if _, err := os.Stat(data); !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return fmt.Errorf("embedded: look at the data directory: %w", err)
		}
		return nil
	}
	if err := os.WriteFile(marker, nil, 0o600); err != nil {
		return fmt.Errorf("embedded: note the first start: %w", err)
	}
	return syncDir(dir)
}

// complete notes that the server runs.
func complete(dir string) error {
	err := os.Remove(filepath.Join(dir, unborn))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("embedded: note that the first start is complete: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes changes to the names in dir durable.
func syncDir(dir string) error {
	d, err := fileutil.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("embedded: sync %s: %w", dir, err)
	}
	return errors.Join(fileutil.Fsync(d), d.Close())
}
