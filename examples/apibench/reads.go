package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// reads fills the server with pods and reads them all, in every way.
func (b *bench) reads(ctx context.Context) error {
	if !b.wants("list") && !b.wants("watch") {
		return nil
	}
	n := b.list
	if !b.wants("list") {
		n = min(n, changed)
	}
	b.say("filling with %d pods", n)
	pods, err := b.create(ctx, "", protobufType, n, 0)
	if err != nil {
		return err
	}
	// Half of them run: real ones have a status.
	if _, _, err := b.each(ctx, n/2, func(ctx context.Context, c *client, i int) error {
		running(pods[i], time.Now())
		body, err := b.codec.encode(protobufType, pods[i])
		if err == nil {
			_, err = c.discard(ctx, call{method: "PUT", path: b.podPath(i) + "/status", accept: protobufType, body: body})
		}
		return err
	}); err != nil {
		return err
	}
	pods = nil
	if b.wants("list") {
		if err := b.memory(fmt.Sprintf("memory with %d pods", n)); err != nil {
			return err
		}
		if err := b.lists(ctx); err != nil {
			return err
		}
	}
	if b.wants("watch") {
		if err := b.watches(ctx, n); err != nil {
			return err
		}
	}
	return b.memory("memory at the end")
}

// lists reads all pods in the ways that clients do.
func (b *bench) lists(ctx context.Context) error {
	selector := url.QueryEscape("group=7")
	for _, l := range []struct {
		name string
		call call
	}{
		{"JSON", call{accept: jsonType}},
		{"JSON, gzip", call{accept: jsonType, encoding: "gzip"}},
		{"protobuf", call{accept: protobufType}},
		{"protobuf, gzip", call{accept: protobufType, encoding: "gzip"}},
		{"Table", call{accept: tableType}},
		{"Table, gzip", call{accept: tableType, encoding: "gzip"}},
		{"metadata only, JSON", call{accept: partialType}},
		{"1 % by label, JSON", call{accept: jsonType, path: "?labelSelector=" + selector}},
		{"resourceVersion=0, JSON", call{accept: jsonType, path: "?resourceVersion=0"}},
	} {
		l.call.method, l.call.path = "GET", b.pods()+l.call.path
		if err := b.readAll(ctx, fmt.Sprintf("list %d: %s", b.list, l.name), l.call); err != nil {
			return err
		}
	}
	if err := b.concurrent(ctx); err != nil {
		return err
	}
	if err := b.pages(ctx); err != nil {
		return err
	}
	return b.streamed(ctx)
}

// readAll notes the median time of a list.
func (b *bench) readAll(ctx context.Context, row string, r call) error {
	b.say("%s", row)
	var took latencies
	var n int64
	var cpu func(int) string
	for i := range b.repeat + 1 {
		if i == 1 { // the first is for the caches of both sides
			cpu = b.cpu()
		}
		begin := time.Now()
		var err error
		if n, err = b.clients[0].discard(ctx, r); err != nil {
			return err
		}
		if i > 0 {
			took = append(took, time.Since(begin))
		}
	}
	slices.Sort(took)
	b.column.set(row, "%s, %s%s", short(took.at(0.5)), size(n), cpu(b.repeat))
	return nil
}

// concurrent notes how many lists are read when several clients do.
func (b *bench) concurrent(ctx context.Context) error {
	all := b.clients
	b.clients = all[:min(4, len(all))]
	defer func() { b.clients = all }()
	return b.measure(ctx, fmt.Sprintf("list %d: protobuf, %d clients", b.list, len(b.clients)), 4*b.repeat, func(ctx context.Context, c *client, _ int) error {
		_, err := c.discard(ctx, call{method: "GET", path: b.pods(), accept: protobufType})
		return err
	})
}

// pages notes how long a page takes.
func (b *bench) pages(ctx context.Context) error {
	const limit = 500
	row := fmt.Sprintf("page of %d, JSON", limit)
	b.say("%s", row)
	var took latencies
	cpu := b.cpu()
	for range b.repeat {
		next := ""
		for {
			begin := time.Now()
			data, err := b.clients[0].do(ctx, call{method: "GET", path: fmt.Sprintf("%s?limit=%d&continue=%s", b.pods(), limit, url.QueryEscape(next))})
			if err != nil {
				return err
			}
			took = append(took, time.Since(begin))
			// metadata stands before or after the items.
			var list struct {
				Metadata struct {
					Continue string `json:"continue"`
				} `json:"metadata"`
			}
			if err := json.Unmarshal(data, &list); err != nil {
				return err
			}
			if next = list.Metadata.Continue; next == "" {
				break
			}
		}
	}
	b.column.set(row, "%s%s", took, cpu(len(took)))
	return nil
}
