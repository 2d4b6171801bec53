package etcd

import (
	"context"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// leaseSlack is the most that an entry may outlive its time for the
	// sake of sharing a lease, in absolute time and as a part of its own.
	leaseSlack     = time.Minute
	leaseSlackPart = 20
	// leaseEntries is how many entries share a lease at most: etcd deletes
	// all of them in one transaction.
	leaseEntries = 1000
)

// leases hands out leases, one for many entries. It is guarded by a channel,
// so that waiting for another's grant ends with the context.
type leases struct {
	client  clientv3.Lease
	guard   chan struct{}
	current []*lease
}

type lease struct {
	id clientv3.LeaseID
	// ends is when the lease ends at the earliest.
	ends    time.Time
	entries int
}

func newLeases(client clientv3.Lease) *leases {
	return &leases{client: client, guard: make(chan struct{}, 1)}
}

// get returns a lease that ends after ttl or somewhat later.
func (l *leases) get(ctx context.Context, ttl time.Duration) (clientv3.LeaseID, error) {
	select {
	case l.guard <- struct{}{}:
		defer func() { <-l.guard }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	// etcd counts in whole seconds, and rounding must be up.
	longest := (ttl + min(leaseSlack, ttl/leaseSlackPart) + time.Second - 1).Truncate(time.Second)
	now := time.Now()
	l.current = slices.DeleteFunc(l.current, func(c *lease) bool {
		return c.entries >= leaseEntries || !now.Before(c.ends)
	})
	for _, c := range l.current {
		if left := c.ends.Sub(now); left >= ttl && left <= longest {
			c.entries++
			return c.id, nil
		}
	}
	resp, err := l.client.Grant(ctx, int64(longest/time.Second))
	if err != nil {
		return 0, err
	}
	l.current = append(l.current, &lease{id: resp.ID, ends: now.Add(longest), entries: 1})
	return resp.ID, nil
}

// forget stops handing out a lease.
func (l *leases) forget(id clientv3.LeaseID) {
	l.guard <- struct{}{}
	defer func() { <-l.guard }()
	l.current = slices.DeleteFunc(l.current, func(c *lease) bool { return c.id == id })
}
