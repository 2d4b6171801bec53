package queue

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// Config is what a [Queue] is made of.
type Config struct {
	// Less orders the active pods.
	Less func(a, b framework.QueuedPod) bool
	// PreEnqueue may hold a pod back; it names the plugin that did.
	PreEnqueue func(*corev1.Pod) (*framework.Status, string)
	// Interests are, by plugin, the events that may help a pod the plugin refused.
	Interests map[string][]framework.EventInterest
	// InitialBackoff is how long a pod waits after its first failed attempt; it
	// doubles with each further one up to MaxBackoff. Defaults: 1 s and 10 s.
	InitialBackoff, MaxBackoff time.Duration
	// FlushAfter is when an unschedulable pod is tried again although nothing
	// happened. Default: 5 min.
	FlushAfter time.Duration
}

type place int8

const (
	nowhere place = iota
	active
	backoff
	failing
	unschedulable
	gated
	inFlight
	binding
)

// Pod is a pod that waits, or is being tried.
type Pod struct {
	// Info is the pod as it was when it was popped.
	Info *framework.PodInfo
	// Attempts is how often it was popped.
	Attempts int

	place    place
	index    int
	since    time.Time // when it got to its place
	retryAt  time.Time // end of the back-off
	sequence uint64
	refused  map[string]struct{}
	mark     int                // first event that came during the attempt
	latest   *framework.PodInfo // newest state seen during the attempt
	changed  bool               // latest differs in more than status
	gone     bool
}

func (p *Pod) queued() framework.QueuedPod {
	return framework.QueuedPod{Info: p.Info, Since: p.since, Sequence: p.sequence}
}

// Queue holds waiting pods. It is safe for concurrent use.
type Queue struct {
	cfg  Config
	wake chan struct{}

	mu       sync.Mutex
	pods     map[types.UID]*Pod
	active   heap
	backoff  heap // refused, and something happened that may help
	failing  heap // the attempt itself failed
	pool     heap // unschedulable, longest first
	byPlugin map[string]map[*Pod]struct{}
	flying   int
	events   []framework.Event
	base     int // events dropped from the front of events, ever
	sequence uint64
}

// New makes an empty queue.
func New(cfg Config) *Queue {
	if cfg.InitialBackoff <= 0 {
		cfg.InitialBackoff = time.Second
	}
	if cfg.MaxBackoff <= 0 {
		cfg.MaxBackoff = 10 * time.Second
	}
	if cfg.FlushAfter <= 0 {
		cfg.FlushAfter = 5 * time.Minute
	}
	q := &Queue{
		cfg:      cfg,
		wake:     make(chan struct{}, 1),
		pods:     make(map[types.UID]*Pod),
		byPlugin: make(map[string]map[*Pod]struct{}),
	}
	q.active.less = func(a, b *Pod) bool { return cfg.Less(a.queued(), b.queued()) }
	q.backoff.less = func(a, b *Pod) bool {
		if !a.retryAt.Equal(b.retryAt) {
			return a.retryAt.Before(b.retryAt)
		}
		return a.sequence < b.sequence
	}
	q.failing.less = q.backoff.less
	q.pool.less = func(a, b *Pod) bool {
		if !a.since.Equal(b.since) {
			return a.since.Before(b.since)
		}
		return a.sequence < b.sequence
	}
	return q
}

// Wake receives after a pod became active by other means than the passing of time.
func (q *Queue) Wake() <-chan struct{} { return q.wake }

func (q *Queue) notify() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Set adds a pod that has no node yet, or replaces it with a newer state. An update of more
// than the status brings an unschedulable pod back.
func (q *Queue) Set(info *framework.PodInfo) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	p := q.pods[info.Pod.UID]
	if p == nil {
		q.sequence++
		p = &Pod{Info: info, sequence: q.sequence}
		q.pods[info.Pod.UID] = p
		q.activate(p, now)
		return
	}
	switch p.place {
	case inFlight, binding:
		was := p.Info
		if p.latest != nil {
			was = p.latest
		}
		p.changed = p.changed || differs(was.Pod, info.Pod)
		p.latest = info
	case active:
		p.Info = info
		q.active.fix(p)
	case backoff, failing:
		p.Info = info
	case gated:
		p.Info = info
		q.activate(p, now)
	case unschedulable:
		changed := differs(p.Info.Pod, info.Pod)
		p.Info = info
		if changed {
			q.leave(p)
			q.retry(p, now)
		}
	}
}

// differs reports whether an update could change where a pod fits.
func differs(a, b *corev1.Pod) bool {
	return !equality.Semantic.DeepEqual(a.Labels, b.Labels) || !equality.Semantic.DeepEqual(&a.Spec, &b.Spec)
}

// Delete forgets a pod: it is gone, or has a node.
func (q *Queue) Delete(uid types.UID) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.pods[uid]
	if p == nil {
		return
	}
	if p.place == inFlight {
		p.gone = true
		return
	}
	q.leave(p)
	delete(q.pods, uid)
}

// Pop takes the first active pod; when there is none, the one whose back-off ends
// first, for nothing is gained by letting it wait in an idle scheduler (a pod whose attempt
// failed, rather than found no node, waits all the same). It returns nil if there is nothing to do now.
// The caller must end the attempt with [Queue.Refuse], [Queue.Retry] or [Queue.Placed].
func (q *Queue) Pop() *Pod {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(time.Now())
	p := q.active.peek()
	for p == nil {
		b := q.backoff.peek()
		if b == nil {
			return nil
		}
		q.leave(b)
		q.activate(b, time.Now())
		p = q.active.peek()
	}
	q.leave(p)
	p.place = inFlight
	p.Attempts++
	p.mark = q.base + len(q.events)
	q.flying++
	return p
}

// Next returns when a pod will become active by the passing of time.
func (q *Queue) Next() (time.Time, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var at time.Time
	if p := q.backoff.peek(); p != nil {
		at = p.retryAt
	}
	if p := q.failing.peek(); p != nil && (at.IsZero() || p.retryAt.Before(at)) {
		at = p.retryAt
	}
	if p := q.pool.peek(); p != nil {
		if flush := p.since.Add(q.cfg.FlushAfter); at.IsZero() || flush.Before(at) {
			at = flush
		}
	}
	return at, !at.IsZero()
}

// Len returns how many pods wait to be tried: active, and in back-off or unschedulable.
func (q *Queue) Len() (ready, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.active.items), len(q.backoff.items) + len(q.failing.items) + len(q.pool.items)
}

// Placed says that a node was found and the pod is being bound: it needs no more events.
// It stays known until [Queue.Delete], so that a late update does not queue it again.
func (q *Queue) Placed(p *Pod) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land(p)
	p.place = binding
	if p.gone {
		delete(q.pods, p.Info.Pod.UID)
	}
}

// Refuse says that the pod fits nowhere, and which plugins said so. It waits for an event
// that can help, or only for its back-off if one came during the attempt.
func (q *Queue) Refuse(p *Pod, plugins map[string]struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	missed := q.events[max(p.mark-q.base, 0):]
	q.land(p)
	if !q.renew(p) {
		return
	}
	now := time.Now()
	q.setBackoff(p, now)
	p.refused = plugins
	if len(plugins) == 0 {
		p.place, p.since = failing, now
		q.failing.push(p)
		q.notify() // the next deadline may have changed
		return
	}
	if p.changed {
		q.retry(p, now)
		return
	}
	for i := range missed {
		if q.helps(p, missed[i]) {
			q.retry(p, now)
			return
		}
	}
	p.place, p.since = unschedulable, now
	q.pool.push(p)
	for name := range plugins {
		set := q.byPlugin[name]
		if set == nil {
			set = make(map[*Pod]struct{})
			q.byPlugin[name] = set
		}
		set[p] = struct{}{}
	}
	q.notify() // the next deadline may have changed
}

// Retry says that the attempt failed for a reason that has nothing to do with the
// pod: it is tried again after its back-off.
func (q *Queue) Retry(p *Pod) { q.Refuse(p, nil) }

// land ends the flight of a pod and drops the events that no other flight needs.
func (q *Queue) land(p *Pod) {
	if p.place != inFlight {
		return
	}
	if q.flying--; q.flying == 0 {
		q.base += len(q.events)
		q.events = nil
	}
}

// renew brings the pod up to date after an attempt and reports whether it still wants a node.
func (q *Queue) renew(p *Pod) bool {
	if q.pods[p.Info.Pod.UID] != p || p.gone {
		if q.pods[p.Info.Pod.UID] == p {
			delete(q.pods, p.Info.Pod.UID)
		}
		return false
	}
	if p.latest != nil {
		p.Info, p.latest = p.latest, nil
	}
	p.place = nowhere
	return true
}

// Event brings back the pods it may help.
func (q *Queue) Event(e framework.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.flying > 0 {
		q.events = append(q.events, e)
	}
	if len(q.pool.items) == 0 {
		return
	}
	var moved []*Pod
	for plugin, pods := range q.byPlugin {
		interests, declared := q.cfg.Interests[plugin]
		if declared && !wants(interests, e) {
			continue
		}
		for p := range pods {
			if p.place == unschedulable && (!declared || interested(interests, p.Info.Pod, e)) {
				moved = append(moved, p)
				p.place = nowhere
			}
		}
	}
	now := time.Now()
	for _, p := range moved {
		p.place = unschedulable
		q.leave(p)
		q.retry(p, now)
	}
}

func (q *Queue) helps(p *Pod, e framework.Event) bool {
	for plugin := range p.refused {
		interests, declared := q.cfg.Interests[plugin]
		if !declared || interested(interests, p.Info.Pod, e) {
			return true
		}
	}
	return false
}

func wants(interests []framework.EventInterest, e framework.Event) bool {
	for i := range interests {
		if interests[i].Kind == e.Kind && interests[i].Actions&e.Action != 0 {
			return true
		}
	}
	return false
}

func interested(interests []framework.EventInterest, pod *corev1.Pod, e framework.Event) bool {
	for i := range interests {
		in := &interests[i]
		if in.Kind == e.Kind && in.Actions&e.Action != 0 && (in.Hint == nil || in.Hint(pod, e) == framework.Retry) {
			return true
		}
	}
	return false
}

func (q *Queue) setBackoff(p *Pod, now time.Time) {
	d := q.cfg.InitialBackoff
	for i := 1; i < p.Attempts && d < q.cfg.MaxBackoff; i++ {
		d *= 2
	}
	p.retryAt = now.Add(min(d, q.cfg.MaxBackoff))
}

// retry puts a pod that is nowhere into back-off, or makes it active if that is over.
func (q *Queue) retry(p *Pod, now time.Time) {
	p.changed = false
	if p.retryAt.After(now) {
		p.place, p.since = backoff, now
		q.backoff.push(p)
		q.notify()
		return
	}
	q.activate(p, now)
}

// activate makes a pod active unless a plugin holds it back.
func (q *Queue) activate(p *Pod, now time.Time) {
	p.refused, p.changed = nil, false
	if st, _ := q.cfg.PreEnqueue(p.Info.Pod); !st.IsSuccess() {
		p.place = gated
		return
	}
	p.place, p.since = active, now
	q.active.push(p)
	q.notify()
}

// expire makes pods active whose time has come.
func (q *Queue) expire(now time.Time) {
	for _, h := range [...]*heap{&q.backoff, &q.failing} {
		for p := h.peek(); p != nil && !p.retryAt.After(now); p = h.peek() {
			q.leave(p)
			q.activate(p, now)
		}
	}
	for p := q.pool.peek(); p != nil && !p.since.Add(q.cfg.FlushAfter).After(now); p = q.pool.peek() {
		q.leave(p)
		q.activate(p, now)
	}
}

// leave takes a pod out of its place.
func (q *Queue) leave(p *Pod) {
	switch p.place {
	case active:
		q.active.remove(p)
	case backoff:
		q.backoff.remove(p)
	case failing:
		q.failing.remove(p)
	case unschedulable:
		q.pool.remove(p)
		for name := range p.refused {
			if set := q.byPlugin[name]; set != nil {
				if delete(set, p); len(set) == 0 {
					delete(q.byPlugin, name)
				}
			}
		}
	}
	p.place = nowhere
}
