package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/util/rand"
)

// cleanTime is how long the clean-up may take after the benchmark has ended.
const cleanTime = 2 * time.Minute

// bench is the measuring of one target.
type bench struct {
	options
	target    target
	column    *column
	progress  io.Writer
	codec     *codec
	process   *process // nil for a server that was running before
	server    *server
	clients   []*client
	namespace string
}

// wants reports whether a step is to be measured.
func (b *bench) wants(step string) bool { return b.only.MatchString(step) }

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s: "+format+"\n", append([]any{b.target.name}, args...)...)
}

// run measures one target from start to end.
func (b *bench) run(ctx context.Context) (err error) {
	if b.codec, err = newCodec(); err != nil {
		return err
	}
	if err := b.start(ctx); err != nil {
		return err
	}
	defer func() {
		if b.process == nil {
			return
		}
		took, stopErr := b.process.stop()
		if err == nil && b.wants("stop") {
			b.column.set("stop", "%s", short(took))
		}
		err = errors.Join(err, stopErr)
	}()
	for range b.options.clients {
		b.clients = append(b.clients, b.server.client())
	}
	defer func() {
		for _, c := range b.clients {
			c.close()
		}
	}()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
		defer cancel()
		b.say("cleaning up")
		err = errors.Join(err, b.clean(ctx))
	}()
	for _, media := range []string{jsonType, protobufType} {
		if err := b.writes(ctx, media); err != nil {
			return err
		}
	}
	return b.reads(ctx)
}

// start opens the server, and starts it before if it is for us to do so.
func (b *bench) start(ctx context.Context) (err error) {
	if b.target.command == nil {
		b.server, err = open(b.target.kubeconfig, b.http1)
		return err
	}
	b.say("starting")
	begin := time.Now()
	if b.process, err = startProcess(b.target.command); err != nil {
		return err
	}
	if b.server, err = b.process.ready(ctx, b.http1); err != nil {
		_, stopErr := b.process.stop()
		return errors.Join(err, stopErr)
	}
	if b.wants("start") {
		b.column.set("start until ready", "%s", short(time.Since(begin)))
	}
	if b.wants("idle") {
		if err := b.rest(ctx); err != nil {
			_, stopErr := b.process.stop()
			return errors.Join(err, stopErr)
		}
	}
	return nil
}

// rest measures what the server costs when nobody asks it for anything.
func (b *bench) rest(ctx context.Context) error {
	b.say("resting for %s", b.idle)
	// What starting leaves behind is not rest.
	if err := sleep(ctx, 2*time.Second); err != nil {
		return err
	}
	before, err := b.process.use()
	if err != nil {
		return err
	}
	if err := sleep(ctx, b.idle); err != nil {
		return err
	}
	after, err := b.process.use()
	if err != nil {
		return err
	}
	b.column.set("memory at rest", "%s", size(after.resident))
	b.column.set(fmt.Sprintf("CPU at rest, over %s", b.idle), "%.2f %% of a core", 100*float64(after.cpu-before.cpu)/float64(b.idle))
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cpu begins to measure what the server computes and returns a function that
// says how much that was for each of n things; nothing for a server that was
// running before.
func (b *bench) cpu() (each func(n int) string) {
	none := func(int) string { return "" }
	if b.process == nil {
		return none
	}
	before, err := b.process.use()
	if err != nil {
		return none
	}
	return func(n int) string {
		after, err := b.process.use()
		if err != nil {
			return ""
		}
		return fmt.Sprintf(", CPU %s", short((after.cpu-before.cpu)/time.Duration(n)))
	}
}

// memory notes how much memory the server has now.
func (b *bench) memory(row string) error {
	if b.process == nil {
		return nil
	}
	u, err := b.process.use()
	if err != nil {
		return err
	}
	b.column.set(row, "%s", size(u.resident))
	return nil
}

// prepare makes the namespace, and the service account that pods run as.
func (b *bench) prepare(ctx context.Context) error {
	b.namespace = "apibench-" + rand.String(8)
	c := b.clients[0]
	if _, err := c.do(ctx, call{method: "POST", path: "/api/v1/namespaces", body: fmt.Appendf(nil,
		`{"apiVersion":"v1","kind":"Namespace","metadata":{"name":%q,"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`, b.namespace)}); err != nil {
		return err
	}
	_, err := c.do(ctx, call{method: "POST", path: "/api/v1/namespaces/" + b.namespace + "/serviceaccounts",
		body: []byte(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}`)})
	if hasCode(err, 409) { // a controller was faster
		return nil
	}
	return err
}

func hasCode(err error, code int) bool {
	var r *refused
	return errors.As(err, &r) && r.code == code
}

// clean removes the namespace with all that is in it, also where no controller
// does.
func (b *bench) clean(ctx context.Context) error {
	if err := b.deleteAll(ctx); err != nil {
		return err
	}
	c := b.clients[0]
	ns := "/api/v1/namespaces/" + b.namespace
	if _, err := c.do(ctx, call{method: "DELETE", path: ns + "/serviceaccounts/default"}); err != nil && !hasCode(err, 404) {
		return err
	}
	if _, err := c.do(ctx, call{method: "DELETE", path: ns}); err != nil && !hasCode(err, 404) {
		return err
	}
	data, err := c.do(ctx, call{method: "GET", path: ns})
	if hasCode(err, 404) {
		return nil
	}
	if err != nil {
		return err
	}
	var object map[string]any
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	object["spec"] = map[string]any{}
	if data, err = json.Marshal(object); err != nil {
		return err
	}
	if _, err := c.do(ctx, call{method: "PUT", path: ns + "/finalize", body: data}); err != nil && !hasCode(err, 404) && !hasCode(err, 409) {
		return err
	}
	return nil
}

// deleteAll removes the pods.
func (b *bench) deleteAll(ctx context.Context) error {
	for {
		_, err := b.clients[0].discard(ctx, call{method: "DELETE", path: b.pods() + "?gracePeriodSeconds=0"})
		if !hasCode(err, 504) { // it asks for patience where there are many
			return err
		}
	}
}

// pods is the path of the pods.
func (b *bench) pods() string { return "/api/v1/namespaces/" + b.namespace + "/pods" }

// podPath is the path of a pod.
func (b *bench) podPath(i int) string { return b.pods() + "/" + podName(i) }

func podName(i int) string { return fmt.Sprintf("shop-7d4b9c6f5d-%06d", i) }

// each lets all clients do something with every number below n, each number
// once, and returns how long that took and each call.
func (b *bench) each(ctx context.Context, n int, do func(ctx context.Context, c *client, i int) error) (time.Duration, latencies, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	took := make(latencies, n)
	var wg sync.WaitGroup
	begin := time.Now()
	for _, c := range b.clients {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
				start := time.Now()
				if err := do(ctx, c, i); err != nil {
					cancel(err)
					return
				}
				took[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	all := time.Since(begin)
	return all, took, context.Cause(ctx)
}
