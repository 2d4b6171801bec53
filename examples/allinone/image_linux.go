package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"text/tabwriter"

	"github.com/keelson-project/keelson/kubelet"
	"github.com/keelson-project/keelson/kubelet/containerd"
)

// importer is the runtime of this process, or that of another.
type importer interface {
	Import(ctx context.Context, archive io.Reader) ([]kubelet.Image, error)
	ListImages(ctx context.Context) ([]kubelet.Image, error)
}

// image does what follows "allinone image", with the running instance.
func image(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	dataDir := flags.String("data-dir", defaultDataDir, "data `directory` of the instance")
	if err := flags.Parse(args); err != nil {
		return err
	}
	usage := errors.New("image: want allinone image [-data-dir DIR] import FILE… or ls")
	switch {
	case flags.NArg() == 0:
		return usage
	case flags.Arg(0) == "import" && flags.NArg() > 1, flags.Arg(0) == "ls" && flags.NArg() == 1:
	default:
		return usage
	}
	abs, err := filepath.Abs(*dataDir)
	if err != nil {
		return fmt.Errorf("image: -data-dir: %w", err)
	}
	rt, err := containerd.DialImages(ctx, filepath.Join(stateDir(abs), "containerd"))
	if errors.Is(err, containerd.ErrNotRunning) {
		return fmt.Errorf("image: no allinone runs with data directory %s: start it first", abs)
	}
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if flags.Arg(0) == "ls" {
		return listImages(ctx, rt, stdout)
	}
	for _, file := range flags.Args()[1:] {
		images, err := importFile(ctx, rt, file)
		if err != nil {
			return err
		}
		for _, i := range images {
			fmt.Fprintf(stdout, "%s\t%s\n", strings.Join(i.Tags, " "), i.ID)
		}
	}
	return nil
}

func importFile(ctx context.Context, rt importer, file string) ([]kubelet.Image, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("image: %w", err)
	}
	defer f.Close()
	images, err := rt.Import(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("image: importing %s: %w", file, err)
	}
	return images, nil
}

func listImages(ctx context.Context, rt importer, stdout io.Writer) error {
	images, err := rt.ListImages(ctx)
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	w := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "IMAGE\tID\tSIZE")
	var lines []string
	for _, i := range images {
		names := i.Tags
		if len(names) == 0 {
			names = i.Digests
		}
		id := strings.TrimPrefix(i.ID, "sha256:")
		for _, name := range names {
			lines = append(lines, fmt.Sprintf("%s\t%.12s\t%.1f MB", name, id, float64(i.Size)/1e6))
		}
	}
	sort.Strings(lines)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}

// importAll imports every archive in dir.
func importAll(ctx context.Context, rt importer, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("-images: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if e.Type().IsRegular() && (strings.HasSuffix(name, ".tar") || strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")) {
			if _, err := importFile(ctx, rt, filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
