//go:build linux

package containerd

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"

	"github.com/keelson-project/keelson/kubelet"
)

// userCache remembers what the account files of images say: an image does not
// change, and looking into it takes a mount.
type userCache struct {
	mu    sync.Mutex
	known map[userKey]specs.User
}

type userKey struct{ imageID, user string }

func newUserCache() *userCache { return &userCache{known: map[userKey]specs.User{}} }

// resolve finds the user and the groups a process is to have. The image's root
// file system is that of the snapshot key.
func (u *userCache) resolve(ctx context.Context, st *stores, key string, img *image, sec kubelet.Security) (specs.User, error) {
	name := userString(img.config.Config.User, sec)
	user, err := u.lookup(ctx, st, key, img.id, name)
	if err != nil {
		return specs.User{}, err
	}
	if sec.StrictSupplementalGroups {
		user.AdditionalGids = nil
	}
	groups := []uint32{user.GID}
	for _, g := range user.AdditionalGids {
		if !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	for _, g := range sec.SupplementalGroups {
		if g < 0 || g > 1<<31-1 {
			return specs.User{}, fmt.Errorf("supplemental group %d is out of range", g)
		}
		if !slices.Contains(groups, uint32(g)) {
			groups = append(groups, uint32(g))
		}
	}
	user.AdditionalGids = groups
	return user, nil
}

// userString is the user, and perhaps group, as images write it.
func userString(fromImage string, sec kubelet.Security) string {
	name := fromImage
	switch {
	case sec.RunAsUser != nil:
		name = strconv.FormatInt(*sec.RunAsUser, 10)
	case sec.RunAsUserName != "":
		name = sec.RunAsUserName
	}
	if name == "" {
		name = "0"
	}
	if sec.RunAsGroup != nil {
		user, _, _ := strings.Cut(name, ":")
		name = user + ":" + strconv.FormatInt(*sec.RunAsGroup, 10)
	}
	return name
}

func (u *userCache) lookup(ctx context.Context, st *stores, key, imageID, name string) (specs.User, error) {
	k := userKey{imageID, name}
	u.mu.Lock()
	user, ok := u.known[k]
	u.mu.Unlock()
	if ok {
		user.AdditionalGids = slices.Clone(user.AdditionalGids)
		return user, nil
	}
	c := &containers.Container{ID: key, SnapshotKey: key, Snapshotter: st.driver}
	s := &oci.Spec{Process: &specs.Process{}, Root: &specs.Root{}, Linux: &specs.Linux{}}
	account, _, _ := strings.Cut(name, ":")
	if err := oci.Compose(oci.WithUser(name), oci.WithAdditionalGIDs(account))(ctx, st, c, s); err != nil {
		return specs.User{}, fmt.Errorf("find user %q in the image: %w", name, err)
	}
	user = s.Process.User
	u.mu.Lock()
	u.known[k] = user
	u.mu.Unlock()
	user.AdditionalGids = slices.Clone(user.AdditionalGids)
	return user, nil
}

// forget drops what is known of an image.
func (u *userCache) forget(imageID string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for k := range u.known {
		if k.imageID == imageID {
			delete(u.known, k)
		}
	}
}
