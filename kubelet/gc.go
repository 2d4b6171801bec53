package kubelet

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/kubelet/logs"
	"github.com/keelson-project/keelson/kubelet/volume"
)

// The limits of log files.
const (
	logMaxSize       = 10 << 20
	logMaxFiles      = 5
	logCheckInterval = 10 * time.Second
)

// collect removes what is left of a pod's containers but for the last two
// attempts of each, whose states and logs are still asked for, and of older
// sandboxes.
func (w *worker) collect(ctx context.Context, pod *corev1.Pod, sandboxes []Sandbox) error {
	keep := make(map[string]bool)
	for _, s := range sandboxes {
		for _, c := range s.Containers {
			for i, a := range attempts(sandboxes, c.Name) {
				if i < 2 || a.State != StateExited {
					keep[a.ID] = true
				}
			}
		}
	}
	for i, s := range sandboxes {
		wanted := i == 0 || s.State == StateRunning
		for _, c := range s.Containers {
			wanted = wanted || keep[c.ID]
		}
		if !wanted {
			if err := w.k.runtime.RemoveSandbox(ctx, s.ID); err != nil {
				return err
			}
			delete(w.ips, s.ID)
		}
		for _, c := range s.Containers {
			if keep[c.ID] {
				continue
			}
			if err := w.k.runtime.RemoveContainer(ctx, c.ID); err != nil {
				return err
			}
			delete(w.said, c.ID)
			w.mu.Lock()
			delete(w.killing, c.ID)
			w.mu.Unlock()
			if w.k.files.logs != "" && c.LogPath != "" {
				if err := removeLog(c.LogPath); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// removeLog removes a log file and those it was rotated to.
func removeLog(path string) error {
	old, err := logs.Rotated(path)
	if os.IsNotExist(err) {
		return nil
	}
	for _, p := range append(old, path) {
		if err := os.Remove(p); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// rotateLogs keeps the log files small, until ctx ends.
func (k *Kubelet) rotateLogs(ctx context.Context) {
	reopener, ok := k.runtime.(LogReopener)
	if !ok {
		return
	}
	ticker := time.NewTicker(logCheckInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for _, sandboxes := range k.observer.all() {
			for _, s := range sandboxes {
				for _, c := range s.Containers {
					if c.State != StateRunning || c.LogPath == "" {
						continue
					}
					err := logs.Rotate(c.LogPath, logMaxSize, logMaxFiles, func() error { return reopener.ReopenLog(ctx, c.ID) })
					if err != nil && ctx.Err() == nil {
						k.log.Warn("rotating a container's log failed", "container", c.ID, "err", err)
					}
				}
			}
		}
	}
}

// pruneFiles removes directories of pods that are no longer there.
func (k *Kubelet) pruneFiles() {
	for _, dir := range entries(filepath.Join(k.cfg.RootDir, "pods")) {
		if k.worker(types.UID(filepath.Base(dir))) == nil {
			if err := volume.Remove(dir); err != nil {
				k.log.Warn("removing the directory of a pod that is gone failed", "dir", dir, "err", err)
			}
		}
	}
	for _, dir := range entries(k.cfg.LogDir) {
		uid := dir[strings.LastIndex(dir, "_")+1:]
		if strings.Count(filepath.Base(dir), "_") == 2 && k.worker(types.UID(uid)) == nil {
			if err := os.RemoveAll(dir); err != nil {
				k.log.Warn("removing the logs of a pod that is gone failed", "dir", dir, "err", err)
			}
		}
	}
	if err := k.cgroups.Prune(func(uid string) bool { return k.worker(types.UID(uid)) != nil }); err != nil {
		k.log.Warn("removing cgroups of pods that are gone failed", "err", err)
	}
}

// entries are the paths of a directory's entries.
func entries(dir string) []string {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var paths []string
	for _, e := range list {
		paths = append(paths, filepath.Join(dir, e.Name()))
	}
	return paths
}

// collectImages removes unused images while the disk is too full, until ctx
// ends.
func (k *Kubelet) collectImages(ctx context.Context) {
	ticker := time.NewTicker(k.cfg.ImageGC.Interval)
	defer ticker.Stop()
	used := make(map[string]time.Time)
	for {
		if err := k.collectImagesOnce(ctx, used, time.Now()); err != nil && ctx.Err() == nil {
			k.recorder.event(k.nodeRef(), corev1.EventTypeWarning, "ImageGCFailed", "%v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// collectImagesOnce looks once. used keeps when each image was last seen in
// use, or first seen.
func (k *Kubelet) collectImagesOnce(ctx context.Context, used map[string]time.Time, now time.Time) error {
	images, err := k.runtime.ListImages(ctx)
	if err != nil {
		return err
	}
	inUse := make(map[string]bool)
	for _, sandboxes := range k.observer.all() {
		for _, s := range sandboxes {
			for _, c := range s.Containers {
				inUse[c.ImageID], inUse[c.Image] = true, true
			}
		}
	}
	disk, err := diskUsage(existing(k.cfg.RootDir))
	if err != nil {
		return fmt.Errorf("measuring the disk of %s: %w", k.cfg.RootDir, err)
	}
	for _, image := range unusedImages(images, inUse, used, now, k.cfg.ImageGC.MinAge) {
		if disk.usedPercent < k.cfg.ImageGC.HighPercent {
			break
		}
		if err := k.runtime.RemoveImage(ctx, image.ID); err != nil {
			return err
		}
		k.log.Info("removed an unused image", "image", image.ID, "bytes", image.Size)
		disk.free += image.Size
		if disk.total > 0 && int((disk.total-disk.free)*100/disk.total) <= k.cfg.ImageGC.LowPercent {
			break
		}
	}
	return nil
}

// unusedImages are the images that may be removed, the longest unused first.
// It brings used up to date.
func unusedImages(images []Image, inUse map[string]bool, used map[string]time.Time, now time.Time, minAge time.Duration) []Image {
	present := make(map[string]bool)
	var unused []Image
	for _, image := range images {
		present[image.ID] = true
		busy := inUse[image.ID] || image.Pinned
		for _, name := range append(slices.Clone(image.Tags), image.Digests...) {
			busy = busy || inUse[name]
		}
		if _, known := used[image.ID]; busy || !known {
			used[image.ID] = now
		}
		if !busy && now.Sub(used[image.ID]) >= minAge {
			unused = append(unused, image)
		}
	}
	for id := range used {
		if !present[id] {
			delete(used, id)
		}
	}
	slices.SortFunc(unused, func(a, b Image) int { return used[a.ID].Compare(used[b.ID]) })
	return unused
}
