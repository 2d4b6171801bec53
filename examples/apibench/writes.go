package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// names of the encodings in the table.
var encodings = map[string]string{jsonType: "JSON", protobufType: "protobuf"}

// measure lets all clients do something n times and notes how fast that was.
func (b *bench) measure(ctx context.Context, row string, n int, do func(ctx context.Context, c *client, i int) error) error {
	b.say("%s", row)
	cpu := b.cpu()
	took, each, err := b.each(ctx, n, do)
	if err != nil {
		return fmt.Errorf("%s: %w", row, err)
	}
	b.column.set(row, "%s, %s%s", rate(n, took), each, cpu(n))
	return nil
}

// writes creates pods, gives them a status and deletes them.
func (b *bench) writes(ctx context.Context, media string) error {
	if !b.wants("create") && !b.wants("status") && !b.wants("delete") {
		return nil
	}
	what := func(verb string) string { return fmt.Sprintf("%s %d pods, %s", verb, b.options.pods, encodings[media]) }
	created, err := b.create(ctx, what("create"), media, b.options.pods, 0)
	if err != nil {
		return err
	}
	if b.wants("status") {
		bodies := make([][]byte, len(created))
		for i, pod := range created {
			running(pod, time.Now())
			if bodies[i], err = b.codec.encode(media, pod); err != nil {
				return err
			}
		}
		if err := b.measure(ctx, what("status of"), len(bodies), func(ctx context.Context, c *client, i int) error {
			_, err := c.discard(ctx, call{method: "PUT", path: b.podPath(i) + "/status", accept: media, body: bodies[i]})
			return err
		}); err != nil {
			return err
		}
	}
	if b.wants("get") && media == jsonType {
		if err := b.gets(ctx, media, len(created)); err != nil {
			return err
		}
	}
	if !b.wants("delete") {
		return b.deleteAll(ctx)
	}
	return b.measure(ctx, what("delete"), len(created), func(ctx context.Context, c *client, i int) error {
		_, err := c.discard(ctx, call{method: "DELETE", path: b.podPath(i) + "?gracePeriodSeconds=0", accept: media})
		return err
	})
}

// create makes the pods with the numbers from first on and returns what the
// server has made of them; without a row it is not measured.
func (b *bench) create(ctx context.Context, row, media string, n, first int) ([]*corev1.Pod, error) {
	bodies := make([][]byte, n)
	for i := range bodies {
		var err error
		if bodies[i], err = b.codec.encode(media, newPod(b.namespace, podName(first+i), first+i)); err != nil {
			return nil, err
		}
	}
	answers := make([][]byte, n)
	one := func(ctx context.Context, c *client, i int) (err error) {
		answers[i], err = c.do(ctx, call{method: "POST", path: b.pods(), accept: media, body: bodies[i]})
		return err
	}
	var err error
	if row != "" && b.wants("create") {
		err = b.measure(ctx, row, n, one)
	} else {
		_, _, err = b.each(ctx, n, one)
	}
	if err != nil {
		return nil, err
	}
	pods := make([]*corev1.Pod, n)
	for i, data := range answers {
		if pods[i], err = b.codec.decode(media, data); err != nil {
			return nil, err
		}
	}
	return pods, nil
}

// gets reads single pods.
func (b *bench) gets(ctx context.Context, media string, pods int) error {
	one := func(ctx context.Context, c *client, i int) error {
		_, err := c.discard(ctx, call{method: "GET", path: b.podPath(i % pods), accept: media})
		return err
	}
	if err := b.measure(ctx, fmt.Sprintf("get, %d clients", len(b.clients)), b.options.gets, one); err != nil {
		return err
	}
	all := b.clients
	b.clients = all[:1]
	defer func() { b.clients = all }()
	return b.measure(ctx, "get, 1 client", min(1000, b.options.gets), one)
}
