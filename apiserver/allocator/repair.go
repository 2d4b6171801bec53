package allocator

import (
	"context"
	"fmt"
	"math/big"
	"net/netip"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Repair makes the records agree with the Services there are: it is to be
// called once at the start, before anybody writes Services. It also makes the
// ServiceCIDR "kubernetes".
func (a *Allocator) Repair(ctx context.Context) error {
	if err := a.addresses.ensureRange(ctx); err != nil {
		return err
	}
	services, err := a.addresses.client.CoreV1().Services(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("allocator: listing services: %w", err)
	}
	used, err := a.addresses.used(ctx)
	if err != nil {
		return fmt.Errorf("allocator: %w", err)
	}
	held := map[netip.Addr]bool{}
	bits := new(big.Int)
	for i := range services.Items {
		svc := &services.Items[i]
		for _, ip := range addressesOf(svc) {
			held[ip] = true
			if !used[ip] {
				if err := a.addresses.create(ctx, svc, ip, false); err != nil && !apierrors.IsAlreadyExists(err) {
					return fmt.Errorf("allocator: recording %v of service %s/%s: %w", ip, svc.Namespace, svc.Name, err)
				}
			}
		}
		for _, port := range portsOf(svc) {
			if a.ports.r.contains(port) {
				a.ports.set(bits, port, 1)
			}
		}
	}
	if err := a.addresses.releaseOrphans(ctx, held); err != nil {
		return fmt.Errorf("allocator: %w", err)
	}
	if err := a.ports.update(ctx, false, func(used *big.Int) error { used.Set(bits); return nil }); err != nil {
		return fmt.Errorf("allocator: %w", err)
	}
	return nil
}

// ensureRange makes the ServiceCIDR of the configured ranges, and marks it
// Ready.
func (a *addresses) ensureRange(ctx context.Context) error {
	client := a.client.NetworkingV1().ServiceCIDRs()
	have, err := client.Get(ctx, defaultServiceCIDR, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		want := &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: defaultServiceCIDR}}
		for _, cidr := range a.cidrs {
			want.Spec.CIDRs = append(want.Spec.CIDRs, cidr.Masked().String())
		}
		have, err = client.Create(ctx, want, metav1.CreateOptions{})
	}
	if err != nil {
		return fmt.Errorf("allocator: making ServiceCIDR %q: %w", defaultServiceCIDR, err)
	}
	for i := range have.Status.Conditions {
		if c := &have.Status.Conditions[i]; c.Type == networkingv1.ServiceCIDRConditionReady && c.Status == metav1.ConditionTrue {
			return nil
		}
	}
	have.Status.Conditions = []metav1.Condition{{
		Type: networkingv1.ServiceCIDRConditionReady, Status: metav1.ConditionTrue,
		LastTransitionTime: metav1.Now(), Message: "Kubernetes default Service CIDR is ready",
	}}
	if _, err := client.UpdateStatus(ctx, have, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("allocator: marking ServiceCIDR %q ready: %w", defaultServiceCIDR, err)
	}
	return nil
}

// releaseOrphans deletes the addresses whose services no longer hold them.
func (a *addresses) releaseOrphans(ctx context.Context, held map[netip.Addr]bool) error {
	list, err := a.client.NetworkingV1().IPAddresses().List(ctx, metav1.ListOptions{LabelSelector: networkingv1.LabelManagedBy + "=" + managedBy})
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	for i := range list.Items {
		item := &list.Items[i]
		if ip, err := netip.ParseAddr(item.Name); err == nil && held[ip] {
			continue
		}
		err := a.client.NetworkingV1().IPAddresses().Delete(ctx, item.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &item.UID}})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return fmt.Errorf("giving back address %s: %w", item.Name, err)
		}
	}
	return nil
}
