package resourcequota_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/resourcequota"
	"github.com/keelson-project/keelson/internal/quota"
)

// book keeps quotas as a registry would.
type book struct {
	mu     sync.Mutex
	quotas []*corev1.ResourceQuota
	writes int
	// before, if set, is called before each write.
	before func(b *book)
	delay  time.Duration
}

func newBook(t *testing.T, texts ...string) *book {
	b := &book{}
	for _, text := range texts {
		q := admissiontest.Decode(t, `{"apiVersion":"v1","kind":"ResourceQuota",`+text+`}`).(*corev1.ResourceQuota)
		q.Namespace, q.ResourceVersion = "n", "1"
		b.quotas = append(b.quotas, q)
	}
	return b
}

func (b *book) step() *resourcequota.Plugin {
	return resourcequota.New(resourcequota.Config{Meter: quota.New(nil), Quotas: b.all, Newest: b.newest, Reserve: b.reserve})
}

func (b *book) all(context.Context, string) (iter.Seq[*corev1.ResourceQuota], error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Values(slices.Clone(b.quotas)), nil
}

func (b *book) newest(_ context.Context, _, name string) (*corev1.ResourceQuota, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range b.quotas {
		if q.Name == name {
			return q, nil
		}
	}
	return nil, apierrors.NewNotFound(corev1.Resource("resourcequotas"), name)
}

func (b *book) reserve(_ context.Context, q *corev1.ResourceQuota, used corev1.ResourceList) error {
	if f := b.before; f != nil {
		f(b)
	}
	time.Sleep(b.delay)
	return b.write(q.Name, q.ResourceVersion, used)
}

func (b *book) write(name, version string, used corev1.ResourceList) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, q := range b.quotas {
		if q.Name != name {
			continue
		}
		if q.ResourceVersion != version {
			return apierrors.NewConflict(corev1.Resource("resourcequotas"), name, errors.New("changed"))
		}
		next := q.DeepCopy()
		n, _ := strconv.Atoi(version)
		next.ResourceVersion, next.Status.Used = strconv.Itoa(n+1), used
		b.quotas[i] = next
		b.writes++
		return nil
	}
	return apierrors.NewNotFound(corev1.Resource("resourcequotas"), name)
}

// used is what the book says is used of a quota.
func (b *book) used(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, q := range b.quotas {
		if q.Name == name {
			var parts []string
			for _, n := range quota.Names(q.Status.Used) {
				amount := q.Status.Used[n]
				parts = append(parts, string(n)+"="+amount.String())
			}
			return strings.Join(parts, ",")
		}
	}
	return "gone"
}

func limits(name, hard, used, spec string) string {
	return `"metadata":{"name":"` + name + `"},"spec":{` + spec + `},"status":{"hard":{` + hard + `},"used":{` + used + `}}`
}

func object(version, kind, body string) string {
	return `{"apiVersion":"` + version + `","kind":"` + kind + `","metadata":{"name":"x","namespace":"n","resourceVersion":"1"}` + body + `}`
}

func pod(spec string) string { return object("v1", "Pod", `,"spec":{`+spec+`}`) }

const small = `"containers":[{"name":"a","resources":{"requests":{"cpu":"500m"}}}]`

func TestQuotas(t *testing.T) {
	for _, c := range []struct {
		name, quota string
		write       admissiontest.Case
		want        string
	}{
		{"fits", limits("q", `"requests.cpu":"1","pods":"2"`, `"requests.cpu":"500m","pods":"1"`, ``), admissiontest.Case{Object: pod(small)}, "pods=2,requests.cpu=1"},
		{"does not fit", limits("q", `"requests.cpu":"1","pods":"2"`, `"requests.cpu":"600m","pods":"2"`, ``), admissiontest.Case{Object: pod(small),
			Refused: `pods "x" is forbidden: exceeded quota: q, requested: pods=1,requests.cpu=500m, used: pods=2,requests.cpu=600m, limited: pods=2,requests.cpu=1`}, "pods=2,requests.cpu=600m"},
		{"must say what it needs", limits("q", `"limits.memory":"1","cpu":"1"`, `"limits.memory":"0","cpu":"0"`, ``), admissiontest.Case{Object: pod(small),
			Refused: `failed quota: q: must specify limits.memory for: a`}, "cpu=0,limits.memory=0"},
		{"nobody has counted yet", limits("q", `"pods":"1","cpu":"1"`, `"pods":"0"`, ``), admissiontest.Case{Object: pod(small),
			Refused: `status unknown for quota: q, resources: cpu,pods`}, "pods=0"},
		{"about something else", limits("q", `"services":"0"`, `"services":"0"`, ``), admissiontest.Case{Object: pod(small)}, "services=0"},
		{"negative", limits("q", `"requests.example.com/x":"1"`, `"requests.example.com/x":"0"`, ``), admissiontest.Case{Object: pod(`"containers":[{"name":"a","resources":{"requests":{"example.com/x":"-1"}}}]`),
			Refused: `quota usage is negative for resource(s): requests.example.com/x`}, "requests.example.com/x=0"},
		{"dry run", limits("q", `"pods":"1"`, `"pods":"0"`, ``), admissiontest.Case{Object: pod(small), DryRun: true}, "pods=0"},
		{"dry run that does not fit", limits("q", `"pods":"1"`, `"pods":"1"`, ``), admissiontest.Case{Object: pod(small), DryRun: true, Refused: "exceeded quota"}, "pods=1"},
		{"update changes nothing", limits("q", `"pods":"1"`, `"pods":"1"`, ``), admissiontest.Case{Object: pod(small), Old: pod(small)}, "pods=1"},
		{"resize", limits("q", `"cpu":"1"`, `"cpu":"500m"`, ``), admissiontest.Case{Object: pod(strings.Replace(small, "500m", "900m", 1)), Old: pod(small), Subresource: "resize"}, "cpu=900m"},
		{"resize that does not fit", limits("q", `"cpu":"1"`, `"cpu":"800m"`, ``), admissiontest.Case{Object: pod(strings.Replace(small, "500m", "900m", 1)), Old: pod(small), Subresource: "resize",
			Refused: "exceeded quota: q, requested: cpu=400m, used: cpu=800m, limited: cpu=1"}, "cpu=800m"},
		{"moves into a scope", limits("q", `"pods":"1","cpu":"1"`, `"pods":"0","cpu":"0"`, `"scopes":["Terminating"]`), admissiontest.Case{Object: pod(small + `,"activeDeadlineSeconds":5`), Old: pod(small)}, "cpu=500m,pods=1"},
		{"service becomes a node port", limits("q", `"services":"1","services.nodeports":"1"`, `"services":"1","services.nodeports":"0"`, ``),
			admissiontest.Case{Object: object("v1", "Service", `,"spec":{"type":"NodePort","ports":[{"port":1}]}`), Old: object("v1", "Service", `,"spec":{"ports":[{"port":1}]}`)}, "services=1,services.nodeports=1"},
		{"any object", limits("q", `"count/deployments.apps":"1"`, `"count/deployments.apps":"1"`, ``), admissiontest.Case{Object: object("apps/v1", "Deployment", ``),
			Refused: `deployments.apps "x" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1`}, "count/deployments.apps=1"},
		{"an older name", limits("q", `"secrets":"3"`, `"secrets":"1"`, ``), admissiontest.Case{Object: object("v1", "Secret", ``)}, "secrets=2"},
		{"events are free", limits("q", `"count/events":"0"`, `"count/events":"0"`, ``), admissiontest.Case{Object: object("v1", "Event", ``)}, "count/events=0"},
		{"status of a claim", limits("q", `"requests.storage":"1"`, `"requests.storage":"1"`, ``), admissiontest.Case{
			Object: object("v1", "PersistentVolumeClaim", `,"spec":{"resources":{"requests":{"storage":"1"}}},"status":{"allocatedResources":{"storage":"3"}}`),
			Old:    object("v1", "PersistentVolumeClaim", `,"spec":{"resources":{"requests":{"storage":"1"}}}`), Subresource: "status"}, "requests.storage=3"},
	} {
		c.write.Name = c.name
		b := newBook(t, c.quota)
		admissiontest.Run(t, b.step(), []admissiontest.Case{c.write})
		if got := b.used("q"); got != c.want {
			t.Errorf("%s: used %s, want %s", c.name, got, c.want)
		}
	}
}

func TestSeveralQuotas(t *testing.T) {
	b := newBook(t, limits("a", `"pods":"5"`, `"pods":"0"`, ``), limits("b", `"cpu":"1"`, `"cpu":"600m"`, ``), limits("c", `"services":"1"`, `"services":"0"`, ``))
	admissiontest.Run(t, b.step(), []admissiontest.Case{{Name: "one of them full", Object: pod(small), Refused: "exceeded quota: b"}})
	if b.writes != 0 {
		t.Errorf("%d writes for what was refused", b.writes)
	}
	b = newBook(t, limits("a", `"pods":"5"`, `"pods":"0"`, ``), limits("b", `"cpu":"1"`, `"cpu":"0"`, ``), limits("c", `"services":"1"`, `"services":"0"`, ``))
	admissiontest.Run(t, b.step(), []admissiontest.Case{{Name: "both have room", Object: pod(small)}})
	if a, c := b.used("a"), b.used("b"); a != "pods=1" || c != "cpu=500m" || b.writes != 2 {
		t.Errorf("used %s and %s by %d writes", a, c, b.writes)
	}
}

// Somebody else writes the quota between reading and writing it.
func TestConflict(t *testing.T) {
	for _, c := range []struct{ name, others, want, refused string }{
		{"still fits", "2", "pods=3", ""},
		{"no more", "3", "pods=3", "exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3"},
	} {
		b := newBook(t, limits("q", `"pods":"3"`, `"pods":"1"`, ``))
		once := sync.OnceFunc(func() {
			list := admissiontest.Decode(t, `{"apiVersion":"v1","kind":"ResourceQuota","status":{"used":{"pods":"`+c.others+`"}}}`).(*corev1.ResourceQuota).Status.Used
			if err := b.write("q", "1", list); err != nil {
				t.Error(err)
			}
		})
		b.before = func(*book) { once() }
		admissiontest.Run(t, b.step(), []admissiontest.Case{{Name: c.name, Object: pod(small), Refused: c.refused}})
		if got := b.used("q"); got != c.want {
			t.Errorf("%s: used %s, want %s", c.name, got, c.want)
		}
	}
	b := newBook(t, limits("q", `"pods":"3"`, `"pods":"1"`, ``))
	b.before = func(b *book) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.quotas = nil
	}
	admissiontest.Run(t, b.step(), []admissiontest.Case{{Name: "quota is gone", Object: pod(small)}})
}

func TestNeverExceeded(t *testing.T) {
	const writers, room = 64, 20
	b := newBook(t, limits("q", fmt.Sprintf(`"pods":"%d","cpu":"100"`, room), `"pods":"0","cpu":"0"`, ``))
	// Two servers on one store.
	steps := []*resourcequota.Plugin{b.step(), b.step()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	allowed := 0
	for i := range writers {
		wg.Go(func() {
			a := (&admissiontest.Case{Object: pod(small)}).Attributes(t)
			err := steps[i%2].Validate(t.Context(), a)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				allowed++
			case !apierrors.IsForbidden(err):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := b.used("q"); allowed != room || got != fmt.Sprintf("cpu=%d,pods=%d", room/2, room) {
		t.Errorf("%d were allowed, used %s; there is room for %d", allowed, got, room)
	}
}

// Those who wait while a quota is written are decided on together.
func TestTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, limits("q", `"pods":"100"`, `"pods":"0"`, ``))
		b.delay = time.Second
		step := b.step()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := step.Validate(t.Context(), (&admissiontest.Case{Object: pod(small)}).Attributes(t)); err != nil {
					t.Error(err)
				}
			})
		}
		began := time.Now()
		wg.Wait()
		if b.writes != 2 || time.Since(began) != 2*time.Second || b.used("q") != "pods=50" {
			t.Errorf("%d writes in %v, used %s", b.writes, time.Since(began), b.used("q"))
		}
	})
}

// A client that goes away takes nothing from those who stay.
func TestLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBook(t, limits("q", `"pods":"100"`, `"pods":"0"`, ``))
		b.delay = time.Second
		step := b.step()
		first, leave := context.WithCancel(t.Context())
		defer leave()
		short, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		validate := func(ctx context.Context) error {
			return step.Validate(ctx, (&admissiontest.Case{Object: pod(small)}).Attributes(t))
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := validate(first); err != nil {
				t.Errorf("whoever decides: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if err := validate(short); !apierrors.IsTimeout(err) {
				t.Errorf("whoever left: %v", err)
			}
		})
		wg.Go(func() {
			if err := validate(t.Context()); err != nil {
				t.Errorf("whoever stayed: %v", err)
			}
		})
		synctest.Wait()
		leave()
		wg.Wait()
		if got := b.used("q"); got != "pods=2" {
			t.Errorf("used %s", got)
		}
	})
}
