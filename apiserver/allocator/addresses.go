package allocator

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes"

	"github.com/keelson-project/keelson/apiserver/kinds"
)

// defaultServiceCIDR is the object that stands for the configured ranges.
const defaultServiceCIDR = "kubernetes"

// managedBy marks the IPAddress objects of services, with kube-apiserver's
// name for its own allocator.
const managedBy = "ipallocator.k8s.io"

var errFull = errors.New("range is full")

// luck is how many addresses are tried at random before looking which are free.
const luck = 16

// addresses takes cluster IPs by creating IPAddress objects.
type addresses struct {
	client kubernetes.Interface
	cidrs  []netip.Prefix
}

// takeIPs completes the service's cluster IPs and takes those it did not have.
// An update changes them only if the service comes to be one with addresses, or
// to be one of two families; all other changes are for validation to refuse.
func (a *Allocator) takeIPs(ctx context.Context, svc, old *corev1.Service, dryRun kinds.DryRun) (taken []netip.Addr, err error) {
	spec, first := &svc.Spec, 0
	switch {
	case settled(svc, old) || !needsIP(svc):
		return nil, nil
	case old == nil || old.Spec.Type == corev1.ServiceTypeExternalName:
	case headless(old) || len(old.Spec.IPFamilies) != 1 || len(spec.IPFamilies) != 2:
		return nil, nil
	default:
		first = 1
	}
	for len(spec.ClusterIPs) < len(spec.IPFamilies) {
		spec.ClusterIPs = append(spec.ClusterIPs, "")
	}
	for i := first; i < len(spec.IPFamilies); i++ {
		var ip netip.Addr
		if text := spec.ClusterIPs[i]; text != "" {
			ip, _ = parse(text)
			err = a.addresses.take(ctx, svc, ip, dryRun)
			if err != nil {
				err = fmt.Errorf("failed to allocate IP %v: %w", text, err)
			}
		} else {
			ip, err = a.addresses.takeAny(ctx, svc, spec.IPFamilies[i], dryRun)
			if errors.Is(err, errFull) {
				return taken, apierrors.NewInternalError(fmt.Errorf("failed to allocate a serviceIP for Service %q: %w", svc.Name, err))
			} else if err != nil {
				err = fmt.Errorf("failed to allocate IP: %w", err)
			}
		}
		if err != nil {
			return taken, invalid(svc, field.ErrorList{field.Invalid(field.NewPath("spec", "clusterIPs"), spec.ClusterIPs, err.Error())})
		}
		taken = append(taken, ip)
		if spec.ClusterIPs[i] == "" {
			spec.ClusterIPs[i] = ip.String()
		}
		if i == 0 {
			spec.ClusterIP = spec.ClusterIPs[0]
		}
	}
	return taken, nil
}

// ranges are the prefixes to allocate from: those of all ServiceCIDRs that are
// ready and not going away.
func (a *addresses) ranges(ctx context.Context) ([]netip.Prefix, error) {
	list, err := a.client.NetworkingV1().ServiceCIDRs().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the service ranges: %w", err)
	}
	if len(list.Items) == 0 {
		return a.cidrs, nil
	}
	var ranges []netip.Prefix
	for i := range list.Items {
		ready := meta.FindStatusCondition(list.Items[i].Status.Conditions, networkingv1.ServiceCIDRConditionReady)
		if list.Items[i].DeletionTimestamp != nil || ready != nil && ready.Status != metav1.ConditionTrue {
			continue
		}
		for _, text := range list.Items[i].Spec.CIDRs {
			if p, err := netip.ParsePrefix(text); err == nil {
				ranges = append(ranges, p.Masked())
			}
		}
	}
	return ranges, nil
}

// take takes an address. A dry run only looks whether it is one of a range.
func (a *addresses) take(ctx context.Context, svc *corev1.Service, ip netip.Addr, dryRun kinds.DryRun) error {
	ranges, err := a.ranges(ctx)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		if familyOf(r.Addr()) != familyOf(ip) || !r.Contains(ip) && !bool(dryRun) {
			continue
		}
		if !r.Contains(ip) || ip == r.Addr() || ip == broadcast(r) && ip.Is4() {
			return fmt.Errorf("the provided IP (%v) is not in the valid range. The range of valid IPs is %v", ip, r)
		}
		if dryRun {
			return nil
		}
		if err = a.create(ctx, svc, ip, dryRun); apierrors.IsAlreadyExists(err) {
			return errors.New("provided IP is already allocated")
		}
		return err
	}
	return errors.New("the provided network does not match the current range")
}

// takeAny takes a free address of a family, from the upper part of a range
// first: the lower one is left to those who choose an address themselves. For
// a dry run it returns one that no service has, the first of a range.
func (a *addresses) takeAny(ctx context.Context, svc *corev1.Service, family corev1.IPFamily, dryRun kinds.DryRun) (netip.Addr, error) {
	ranges, err := a.ranges(ctx)
	if err != nil {
		return netip.Addr{}, err
	}
	for _, r := range ranges {
		if familyOf(r.Addr()) != family {
			continue
		}
		if dryRun {
			return r.Addr(), nil
		}
		first, last, middle := span(r)
		for range luck {
			if middle > last {
				break
			}
			ip := nth(r, middle+rand.Uint64N(last-middle+1))
			if err := a.create(ctx, svc, ip, dryRun); !apierrors.IsAlreadyExists(err) {
				return ip, err
			}
		}
		used, err := a.used(ctx)
		if err != nil {
			return netip.Addr{}, err
		}
		for _, part := range [][2]uint64{{middle, last}, {first, middle - 1}} {
			for n := part[0]; n <= part[1]; n++ {
				ip := nth(r, n)
				if used[ip] {
					continue
				}
				if err := a.create(ctx, svc, ip, dryRun); !apierrors.IsAlreadyExists(err) {
					return ip, err
				}
			}
		}
	}
	return netip.Addr{}, errFull
}

func (a *addresses) create(ctx context.Context, svc *corev1.Service, ip netip.Addr, dryRun kinds.DryRun) error {
	opts := metav1.CreateOptions{}
	if dryRun {
		opts.DryRun = []string{metav1.DryRunAll}
	}
	_, err := a.client.NetworkingV1().IPAddresses().Create(ctx, &networkingv1.IPAddress{
		ObjectMeta: metav1.ObjectMeta{Name: ip.String(), Labels: map[string]string{
			networkingv1.LabelIPAddressFamily: string(familyOf(ip)), networkingv1.LabelManagedBy: managedBy,
		}},
		Spec: networkingv1.IPAddressSpec{ParentRef: &networkingv1.ParentReference{Resource: "services", Namespace: svc.Namespace, Name: svc.Name}},
	}, opts)
	return err
}

func (a *addresses) used(ctx context.Context) (map[netip.Addr]bool, error) {
	list, err := a.client.NetworkingV1().IPAddresses().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing the addresses in use: %w", err)
	}
	used := make(map[netip.Addr]bool, len(list.Items))
	for i := range list.Items {
		if ip, err := netip.ParseAddr(list.Items[i].Name); err == nil {
			used[ip] = true
		}
	}
	return used, nil
}

// release gives back addresses of svc. An address that cannot be given back
// now is found by the next Repair.
func (a *addresses) release(ctx context.Context, svc *corev1.Service, ips []netip.Addr) {
	for _, ip := range ips {
		got, err := a.client.NetworkingV1().IPAddresses().Get(ctx, ip.String(), metav1.GetOptions{})
		if err != nil || got.Spec.ParentRef == nil || got.Spec.ParentRef.Namespace != svc.Namespace || got.Spec.ParentRef.Name != svc.Name {
			continue
		}
		_ = a.client.NetworkingV1().IPAddresses().Delete(ctx, got.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &got.UID}})
	}
}

// span returns the first and last usable position in a range, and where the
// part for dynamic allocation begins: after a sixteenth, but no less than 16
// and no more than 256 addresses, as kube-apiserver divides it.
func span(r netip.Prefix) (first, last, middle uint64) {
	bits := r.Addr().BitLen() - r.Bits()
	size := uint64(1) << min(bits, 62)
	first, last = 1, size-1
	if r.Addr().Is4() {
		last-- // the broadcast address
	}
	reserved := min(max(size/16, 16), 256)
	if reserved >= last {
		reserved = 0
	}
	return first, last, first + reserved
}

// nth is the address n positions into a range.
func nth(r netip.Prefix, n uint64) netip.Addr {
	bytes := r.Masked().Addr().As16()
	low := binary.BigEndian.Uint64(bytes[8:])
	binary.BigEndian.PutUint64(bytes[8:], low+n)
	ip := netip.AddrFrom16(bytes)
	if r.Addr().Is4() {
		return ip.Unmap()
	}
	return ip
}

func broadcast(r netip.Prefix) netip.Addr {
	return nth(r, uint64(1)<<min(r.Addr().BitLen()-r.Bits(), 62)-1)
}
