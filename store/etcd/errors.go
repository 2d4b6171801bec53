package etcd

import (
	"context"
	"errors"
	"fmt"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keelson-project/keelson/store"
)

// explain makes the store's error of one by etcd, for a request with ctx.
func explain(ctx context.Context, verb, key string, err error) error {
	if cause := cause(ctx, err); cause != nil {
		return cause
	}
	switch {
	case compacted(err):
		err = store.ErrCompacted
	case errors.Is(err, rpctypes.ErrFutureRev):
		err = store.ErrFutureRevision
	}
	if key == "" {
		return fmt.Errorf("etcd: %s: %w", verb, err)
	}
	return fmt.Errorf("etcd: %s %q: %w", verb, key, err)
}

// cause returns why ctx ended, if that is what err is about.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// gRPC has a timer of its own for the deadline and may be first.
	if _, ok := ctx.Deadline(); ok && status.Code(err) == codes.DeadlineExceeded {
		return context.DeadlineExceeded
	}
	return nil
}

func compacted(err error) bool { return errors.Is(err, rpctypes.ErrCompacted) }

func leaseGone(err error) bool { return errors.Is(err, rpctypes.ErrLeaseNotFound) }
