package apiserver_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/keelson-project/keelson/apiserver"
)

// heavyPod is a pod of some 3 KB before the server adds to it.
func heavyPod(i int) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("pod-%06d", i), Namespace: "default",
			Labels:      map[string]string{"app": fmt.Sprintf("app-%d", i%100), "tier": "backend", "pod-template-hash": "7d4b9c6f5d"},
			Annotations: map[string]string{"example.com/config": "0123456789abcdef0123456789abcdef", "example.com/owner": "team-a"},
		},
		Spec: corev1.PodSpec{NodeSelector: map[string]string{"zone": "a"}, ServiceAccountName: "default"},
	}
	for c := range 3 {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{
			Name: fmt.Sprintf("c%d", c), Image: "registry.example.com/group/image:v1.2.3", Command: []string{"/bin/server", "--flag=value"},
			Env:   []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}, {Name: "NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}},
			Ports: []corev1.ContainerPort{{Name: fmt.Sprintf("p%d", c), ContainerPort: int32(8080 + c)}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("256Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
		})
	}
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}}
	return p
}

func fill(b *testing.B, client kubernetes.Interface, n int) {
	b.Helper()
	var wg sync.WaitGroup
	var next atomic.Int64
	for range 4 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if _, err := client.CoreV1().Pods("default").Create(context.Background(), heavyPod(int(i)), metav1.CreateOptions{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkCreatePod(b *testing.B) {
	_, client := start(b)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.CoreV1().Pods("default").Create(context.Background(), heavyPod(int(next.Add(1))), metav1.CreateOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkGetPod(b *testing.B) {
	_, client := start(b)
	fill(b, client, 100)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.CoreV1().Pods("default").Get(context.Background(), "pod-000007", metav1.GetOptions{}); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkUpdatePodStatus(b *testing.B) {
	_, client := start(b)
	fill(b, client, 200)
	var next atomic.Int64
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		n := next.Add(1)
		name := fmt.Sprintf("pod-%06d", 1+n%200)
		p, err := client.CoreV1().Pods("default").Get(context.Background(), name, metav1.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		p.Status.Message = fmt.Sprint(n)
		if _, err := client.CoreV1().Pods("default").UpdateStatus(context.Background(), p, metav1.UpdateOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkListPods(b *testing.B) {
	srv, client := start(b)
	fill(b, client, 5000)
	for _, c := range []struct{ name, accept, query string }{
		{"json", "application/json", ""},
		{"protobuf", "application/vnd.kubernetes.protobuf", ""},
		{"table", "application/json;as=Table;g=meta.k8s.io;v=v1", ""},
		{"selector", "application/json", "?labelSelector=app%3Dapp-7"},
		{"page", "application/json", "?limit=500"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(fetch(b, srv, "/api/v1/pods"+c.query, c.accept))
			}
		})
	}
}

// fetch reads an answer to its end without decoding it.
func fetch(b *testing.B, srv *apiserver.Server, path, accept string) int64 {
	b.Helper()
	cfg := srv.LoopbackConfig()
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		b.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, cfg.Host+path, nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	resp, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	n, err := io.Copy(io.Discard, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatal(resp.Status, err)
	}
	return n
}

// BenchmarkWatchFanOut counts the events that 200 watchers receive while pods
// change.
func BenchmarkWatchFanOut(b *testing.B) {
	srv, client := start(b)
	fill(b, client, 100)
	cfg := srv.LoopbackConfig()
	hc, err := rest.HTTPClientFor(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	const watchers = 200
	var events atomic.Int64
	enough := make(chan struct{})
	want := int64(b.N) * watchers
	l, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	for range watchers {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/api/v1/pods?watch=1&resourceVersion="+l.ResourceVersion, nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Accept", "application/json")
		resp, err := hc.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		wg.Go(func() {
			defer func() { _ = resp.Body.Close() }()
			buf := make([]byte, 64<<10)
			for {
				n, err := resp.Body.Read(buf)
				lines := int64(0)
				for _, c := range buf[:n] {
					if c == '\n' {
						lines++
					}
				}
				if lines > 0 {
					if got := events.Add(lines); got >= want && got-lines < want {
						close(enough)
					}
				}
				if err != nil {
					return
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N {
		name := fmt.Sprintf("pod-%06d", 1+i%100)
		patch := fmt.Appendf(nil, `{"metadata":{"annotations":{"n":"%d"}}}`, i)
		if _, err := client.CoreV1().Pods("default").Patch(ctx, name, "application/merge-patch+json", patch, metav1.PatchOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	<-enough
	b.StopTimer()
	b.ReportMetric(float64(want)/b.Elapsed().Seconds(), "events/s")
}
