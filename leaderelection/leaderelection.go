package leaderelection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationclient "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/ptr"
)

// Lead waits for leadership, runs work while it lasts, and stands again when it
// is lost: work's context ends then. Lead returns when ctx ends (nil), or with
// the error of a work that ended by itself. The configuration is completed by
// [Config.Complete].
func Lead(ctx context.Context, client coordinationclient.LeasesGetter, config Config, logger *slog.Logger, work func(context.Context) error) error {
	c := candidate{Config: config, client: client, logger: logger}
	err := c.lead(ctx, work)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// candidate stands for election by a Lease, in the way client-go's leader election
// does, so that both kinds can stand against each other.
type candidate struct {
	Config
	client coordinationclient.LeasesGetter
	logger *slog.Logger

	// seen is the lease as last read and seenAt when it last changed, by this
	// process's clock: the holder's clock may be wrong.
	seen   *coordinationv1.Lease
	seenAt time.Time
}

var (
	errHeld = errors.New("another holds the lease")
	errLost = errors.New("leadership lost")
)

// lead waits for leadership, runs work while it lasts, and stands again when it is
// lost. It returns when ctx ends, or with the error of a work that ended by itself.
func (c *candidate) lead(ctx context.Context, work func(context.Context) error) error {
	for {
		if err := c.acquire(ctx); err != nil {
			return err
		}
		c.logger.Info("leadership acquired", "identity", c.Identity, "lease", c.Namespace+"/"+c.Name)
		err := c.govern(ctx, work)
		c.release()
		if ctx.Err() != nil || !errors.Is(err, errLost) {
			return err
		}
		c.logger.Warn("leadership lost", "identity", c.Identity, "lease", c.Namespace+"/"+c.Name)
	}
}

// acquire tries until the lease is ours.
func (c *candidate) acquire(ctx context.Context) error {
	for {
		err := c.claim(ctx)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errHeld) && ctx.Err() == nil {
			c.logger.Debug("lease not acquired", "err", err)
		}
		if err := sleep(ctx, c.RetryPeriod); err != nil {
			return err
		}
	}
}

// govern runs work beside renewing the lease, and returns when both have ended.
func (c *candidate) govern(ctx context.Context, work func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var workErr error
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop()
		workErr = work(ctx)
	})
	err := c.renew(ctx)
	stop()
	wg.Wait()
	if err != nil {
		return err
	}
	return workErr
}

// renew keeps the lease until ctx ends (nil) or renewing has failed for too long.
func (c *candidate) renew(ctx context.Context) error {
	renewed := time.Now()
	for {
		if sleep(ctx, c.RetryPeriod) != nil {
			return nil
		}
		try, cancel := context.WithDeadline(ctx, renewed.Add(c.RenewDeadline))
		err := c.claim(try)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			renewed = time.Now()
		case errors.Is(err, errHeld) || time.Since(renewed) >= c.RenewDeadline:
			return fmt.Errorf("%w: %w", errLost, err)
		}
	}
}

// claim takes or renews the lease, if nobody else holds it.
func (c *candidate) claim(ctx context.Context) error {
	leases := c.client.Leases(c.Namespace)
	lease, err := leases.Get(ctx, c.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease, err = leases.Create(ctx, &coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace, Name: c.Name},
			Spec:       c.spec(nil),
		}, metav1.CreateOptions{})
		if err == nil {
			c.observe(lease)
		}
		return err
	}
	if err != nil {
		return err
	}
	if c.seen == nil || c.seen.ResourceVersion != lease.ResourceVersion || !sameRenewal(c.seen, lease) {
		c.observe(lease)
	}
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	term := time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0)) * time.Second
	if holder != "" && holder != c.Identity && time.Since(c.seenAt) < term {
		return errHeld
	}
	lease = lease.DeepCopy()
	lease.Spec = c.spec(&lease.Spec)
	if lease, err = leases.Update(ctx, lease, metav1.UpdateOptions{}); err != nil {
		return err
	}
	c.observe(lease)
	return nil
}

func (c *candidate) observe(lease *coordinationv1.Lease) {
	c.seen, c.seenAt = lease, time.Now()
}

func sameRenewal(a, b *coordinationv1.Lease) bool {
	return ptr.Deref(a.Spec.HolderIdentity, "") == ptr.Deref(b.Spec.HolderIdentity, "") &&
		a.Spec.RenewTime.Equal(b.Spec.RenewTime)
}

// spec is the lease's content with us as holder, following on the one before.
func (c *candidate) spec(before *coordinationv1.LeaseSpec) coordinationv1.LeaseSpec {
	now := metav1.NewMicroTime(time.Now())
	next := coordinationv1.LeaseSpec{
		HolderIdentity:       &c.Identity,
		LeaseDurationSeconds: ptr.To(int32((c.LeaseDuration + time.Second - 1) / time.Second)),
		AcquireTime:          &now,
		RenewTime:            &now,
		LeaseTransitions:     ptr.To(int32(0)),
	}
	if before == nil {
		return next
	}
	next.Strategy, next.PreferredHolder = before.Strategy, before.PreferredHolder
	transitions := ptr.Deref(before.LeaseTransitions, 0)
	if ptr.Deref(before.HolderIdentity, "") == c.Identity {
		next.AcquireTime = before.AcquireTime
	} else {
		transitions++
	}
	next.LeaseTransitions = &transitions
	return next
}

// release gives the lease up, so that another need not wait for its end. It is tried
// once, past the end of the run's context but not for long.
func (c *candidate) release() {
	if c.seen == nil || ptr.Deref(c.seen.Spec.HolderIdentity, "") != c.Identity {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.RetryPeriod)
	defer cancel()
	lease := c.seen.DeepCopy()
	now := metav1.NewMicroTime(time.Now())
	lease.Spec.HolderIdentity = ptr.To("")
	lease.Spec.LeaseDurationSeconds = ptr.To(int32(1))
	lease.Spec.RenewTime, lease.Spec.AcquireTime = &now, &now
	if _, err := c.client.Leases(c.Namespace).Update(ctx, lease, metav1.UpdateOptions{}); err != nil {
		c.logger.Debug("lease not released", "err", err)
	}
	c.seen = nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
