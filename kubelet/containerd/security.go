//go:build linux

package containerd

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/containerd/containerd/v2/contrib/apparmor"
	"github.com/containerd/containerd/v2/contrib/seccomp"
	"github.com/containerd/containerd/v2/pkg/cap"
	"github.com/containerd/containerd/v2/pkg/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// appArmorProfile is the name our default profile is loaded under.
const appArmorProfile = "keelson-default"

const localhost = "Localhost/"

// security sets what the process may do.
func (b *specBuilder) security(ctx context.Context) error {
	sec, p := b.c.Security, b.s.Process
	b.s.Root.Readonly = sec.ReadOnlyRootfs
	p.NoNewPrivileges = !sec.AllowPrivilegeEscalation && !sec.Privileged
	if sec.UnmaskedProc || sec.Privileged {
		b.s.Linux.MaskedPaths, b.s.Linux.ReadonlyPaths = nil, nil
	}
	caps, err := b.capabilities()
	if err != nil {
		return err
	}
	p.Capabilities = &specs.LinuxCapabilities{Bounding: caps, Effective: caps, Permitted: caps}
	if err := b.appArmor(ctx); err != nil {
		return err
	}
	// The default filter depends on the capabilities.
	return b.seccomp(ctx)
}

// capabilities are containerd's default ones, and what is added and dropped.
func (b *specBuilder) capabilities() ([]string, error) {
	sec := b.c.Security
	all, err := cap.Current()
	if err != nil {
		return nil, fmt.Errorf("read this process's capabilities: %w", err)
	}
	if sec.Privileged {
		return all, nil
	}
	name := func(c string) string {
		c = strings.ToUpper(c)
		if c != "ALL" && !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		return c
	}
	known := cap.Known()
	caps := slices.Clone(b.s.Process.Capabilities.Bounding)
	// ALL comes first, whichever way it goes, so that the others refine it.
	for _, c := range sec.AddCapabilities {
		if name(c) == "ALL" {
			caps = slices.Clone(all)
		}
	}
	for _, c := range sec.DropCapabilities {
		if name(c) == "ALL" {
			caps = nil
		}
	}
	for _, c := range sec.AddCapabilities {
		c = name(c)
		if c == "ALL" || slices.Contains(caps, c) {
			continue
		}
		if !slices.Contains(known, c) {
			return nil, fmt.Errorf("add capability: the kernel knows no %q", c)
		}
		caps = append(caps, c)
	}
	for _, c := range sec.DropCapabilities {
		c = name(c)
		caps = slices.DeleteFunc(caps, func(have string) bool { return have == c })
	}
	return caps, nil
}

func (b *specBuilder) seccomp(ctx context.Context) error {
	sec := b.c.Security
	if sec.Privileged {
		return nil
	}
	switch profile := sec.Seccomp; {
	case profile == "" || profile == "Unconfined":
	case profile == "RuntimeDefault":
		b.s.Linux.Seccomp = seccomp.DefaultProfile(b.s)
	case strings.HasPrefix(profile, localhost):
		path := strings.TrimPrefix(profile, localhost)
		if err := seccomp.WithProfile(path)(ctx, nil, nil, b.s); err != nil {
			return fmt.Errorf("seccomp profile %s: %w", path, err)
		}
	default:
		return fmt.Errorf("unknown seccomp profile %q", profile)
	}
	return nil
}

func (b *specBuilder) appArmor(ctx context.Context) error {
	sec := b.c.Security
	enabled := appArmorEnabled()
	switch profile := sec.AppArmor; {
	case profile == "Unconfined":
	case profile == "" || profile == "RuntimeDefault":
		if !enabled || sec.Privileged && profile == "" {
			return nil
		}
		return oci.Compose(apparmor.WithDefaultProfile(appArmorProfile))(ctx, nil, nil, b.s)
	case strings.HasPrefix(profile, localhost):
		if !enabled {
			return fmt.Errorf("AppArmor profile %q: AppArmor is not enabled on this host", profile)
		}
		b.s.Process.ApparmorProfile = strings.TrimPrefix(profile, localhost)
	default:
		return fmt.Errorf("unknown AppArmor profile %q", profile)
	}
	return nil
}

func appArmorEnabled() bool {
	data, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || !strings.HasPrefix(string(data), "Y") {
		return false
	}
	// In a container that does not show it, it cannot be set either.
	_, err = os.Stat("/sys/kernel/security/apparmor/profiles")
	return err == nil
}
