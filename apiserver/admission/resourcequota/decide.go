package resourcequota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/internal/quota"
)

// account is a quota with what is going to be used of it.
type account struct {
	quota *corev1.ResourceQuota
	used  corev1.ResourceList
}

// errPending marks tickets that count on a reservation.
var errPending = errors.New("not decided yet")

// decide sets the errors of all tickets.
func (p *Plugin) decide(ctx context.Context, namespace string, batch []*ticket) {
	quotas, err := p.Quotas(ctx, namespace)
	if err != nil {
		settle(batch, err)
		return
	}
	var accounts []*account
	for q := range quotas {
		accounts = append(accounts, &account{q, q.Status.Used})
	}
	open := batch
	for len(accounts) > 0 {
		open = charge(accounts, open)
		var failed []*account
		for _, acc := range accounts {
			if quota.Equal(acc.used, acc.quota.Status.Used) {
				continue
			}
			switch err := p.Reserve(ctx, acc.quota, acc.used); {
			case apierrors.IsConflict(err):
				failed = append(failed, acc)
			case apierrors.IsNotFound(err): // it does not count any more
			case err != nil:
				settle(open, err)
				return
			}
		}
		// Those whose quota somebody else has written are decided on again, by
		// these quotas alone, for the others are charged already.
		if accounts, err = p.reread(ctx, failed); err != nil {
			settle(open, err)
			return
		}
	}
	settle(open, nil)
}

func settle(tickets []*ticket, err error) {
	for _, t := range tickets {
		t.err = err
	}
}

// reread returns the accounts as they are now, without those that are gone.
func (p *Plugin) reread(ctx context.Context, old []*account) ([]*account, error) {
	var out []*account
	for _, acc := range old {
		q, err := p.Newest(ctx, acc.quota.Namespace, acc.quota.Name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, &account{q, q.Status.Used})
	}
	return out, nil
}

// charge tries the tickets one after the other. Those that the accounts have
// no room for are refused, those that need none are done; it returns the rest,
// which depend on the accounts being written.
func charge(accounts []*account, tickets []*ticket) []*ticket {
	var open []*ticket
	for _, t := range tickets {
		after, err := try(accounts, t)
		if t.err = err; err != nil || t.a.DryRun || after == nil {
			continue
		}
		for i, used := range after {
			accounts[i].used = used
		}
		t.err = errPending
		open = append(open, t)
	}
	return open
}

// try returns what is used of each account with a write; nil if it makes no
// difference.
func try(accounts []*account, t *ticket) ([]corev1.ResourceList, error) {
	covering, err := cover(accounts, t)
	if err != nil || len(covering) == 0 {
		return nil, err
	}
	use := t.evaluator.Usage(t.a.Object)
	var negative []corev1.ResourceName
	for name, q := range use {
		if q.Sign() < 0 {
			negative = append(negative, name)
		}
	}
	if len(negative) > 0 {
		slices.Sort(negative)
		return nil, admission.Forbidden(t.a, fmt.Errorf("quota usage is negative for resource(s): %s", join(negative)))
	}
	growth := use
	if t.a.Operation == admission.Update && exists(t.a) {
		growth = quota.Growth(use, t.evaluator.Usage(t.a.OldObject))
	}
	var after []corev1.ResourceList
	for _, i := range covering {
		acc := accounts[i]
		more := use
		if t.a.Operation == admission.Update && exists(t.a) {
			// An update can move an object into a scope: then all of it is new.
			before, err := quota.Matches(t.evaluator, acc.quota, t.a.OldObject)
			if err != nil {
				return nil, err
			}
			if before {
				more = growth
			}
		}
		used, err := add(acc, more, t.a)
		if err != nil {
			return nil, err
		}
		if used == nil {
			continue
		}
		if after == nil {
			for _, acc := range accounts {
				after = append(after, acc.used)
			}
		}
		after[i] = used
	}
	return after, nil
}

// exists reports whether there is an object to be updated, which there is not
// where an update creates one.
func exists(a *admission.Attributes) bool {
	if a.OldObject == nil {
		return false
	}
	m, err := meta.Accessor(a.OldObject)
	return err == nil && m.GetResourceVersion() != ""
}

// cover returns which accounts a write draws on.
func cover(accounts []*account, t *ticket) (indexes []int, err error) {
	for i, acc := range accounts {
		matches, err := quota.Matches(t.evaluator, acc.quota, t.a.Object)
		if err != nil {
			return nil, err
		}
		if !matches {
			continue
		}
		limited := quota.Names(quota.Pick(acc.quota.Status.Hard, t.evaluator.Measures))
		if err := t.evaluator.Demand(t.a.Object, limited); err != nil {
			return nil, admission.Forbidden(t.a, fmt.Errorf("failed quota: %s: %w", acc.quota.Name, err))
		}
		for _, name := range limited {
			if _, known := acc.used[name]; !known {
				return nil, admission.Forbidden(t.a, fmt.Errorf("status unknown for quota: %s, resources: %s", acc.quota.Name, join(limited)))
			}
		}
		indexes = append(indexes, i)
	}
	return indexes, nil
}

// add returns what is used of an account with more, or nil if nothing of that
// counts.
func add(acc *account, more corev1.ResourceList, a *admission.Attributes) (corev1.ResourceList, error) {
	hard := acc.quota.Status.Hard
	more = quota.Pick(more, func(name corev1.ResourceName) bool {
		_, limited := hard[name]
		q := more[name]
		return limited && !q.IsZero()
	})
	if len(more) == 0 {
		return nil, nil
	}
	used := quota.Add(acc.used, more)
	if a.Subresource == "status" { // tells what is so already
		return used, nil
	}
	exceeds := func(name corev1.ResourceName) bool {
		_, wanted := more[name]
		q, limit := used[name], hard[name]
		return wanted && q.Cmp(limit) > 0
	}
	if len(quota.Pick(used, exceeds)) > 0 {
		return nil, admission.Forbidden(a, fmt.Errorf("exceeded quota: %s, requested: %s, used: %s, limited: %s", acc.quota.Name,
			amounts(quota.Pick(more, exceeds)), amounts(quota.Pick(acc.used, exceeds)), amounts(quota.Pick(hard, exceeds))))
	}
	return used, nil
}

// amounts writes a list as "cpu=1,memory=2".
func amounts(list corev1.ResourceList) string {
	var parts []string
	for _, name := range quota.Names(list) {
		q := list[name]
		parts = append(parts, string(name)+"="+q.String())
	}
	return strings.Join(parts, ",")
}

func join(names []corev1.ResourceName) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = string(n)
	}
	return strings.Join(parts, ",")
}
