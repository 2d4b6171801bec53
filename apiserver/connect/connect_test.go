package connect

import (
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestBelow(t *testing.T) {
	for _, base := range []string{"https://10.0.0.1:10250", "https://10.0.0.1:10250/"} {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		if got := below(u, "exec", "ns", "pod").RequestURI(); got != "/exec/ns/pod" {
			t.Errorf("%s: the request is for %q", base, got)
		}
	}
}

func TestLogOptions(t *testing.T) {
	for _, test := range []struct{ name, query, want, err string }{
		{"nothing", "", "", ""},
		{"all", "follow=true&previous=1&timestamps=yes&tailLines=10&limitBytes=5&sinceSeconds=3", "follow=true&limitBytes=5&previous=true&sinceSeconds=3&tailLines=10&timestamps=true", ""},
		{"false is false", "follow=false&previous=0", "", ""},
		{"time", "sinceTime=2026-11-23T20:00:00%2B01:00", "sinceTime=2026-11-23T19%3A00%3A00Z", ""},
		{"no number", "tailLines=many", "", "invalid syntax"},
		{"no time", "sinceTime=yesterday", "", "cannot parse"},
		{"negative", "tailLines=-1", "", "must be greater than or equal to 0"},
		{"nothing to read", "limitBytes=0", "", "must be greater than 0"},
		{"two beginnings", "sinceSeconds=1&sinceTime=2026-11-23T20:00:00Z", "", "at most one of"},
		{"one stream", "stream=Stdout", "", "may not be specified"},
	} {
		t.Run(test.name, func(t *testing.T) {
			query, err := url.ParseQuery(test.query)
			if err != nil {
				t.Fatal(err)
			}
			opts, err := parseLogOptions(query)
			if err == nil {
				err = validateLogOptions(opts).ToAggregate()
			}
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Errorf("error is %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := logQuery(opts).Encode(); got != test.want {
				t.Errorf("asks the kubelet for %q, want %q", got, test.want)
			}
		})
	}
}

func TestChooseContainer(t *testing.T) {
	pod := func(names ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}}
		for _, n := range names {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: n})
		}
		p.Spec.InitContainers = []corev1.Container{{Name: "init"}}
		return p
	}
	for _, test := range []struct {
		name      string
		pod       *corev1.Pod
		ask, want string
		err       string
	}{
		{"only one", pod("a"), "", "a", ""},
		{"named", pod("a", "b"), "b", "b", ""},
		{"init", pod("a"), "init", "init", ""},
		{"several", pod("a", "b"), "", "", "a container name must be specified for pod p, choose one of: [init a b]"},
		{"unknown", pod("a"), "c", "", "container c is not valid for pod p"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := chooseContainer(test.pod, test.ask)
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error is %v, want %q", err, test.err)
				}
			} else if err != nil || got != test.want {
				t.Errorf("chose %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func TestSplitID(t *testing.T) {
	for id, want := range map[string][3]string{
		"web": {"http", "web", ""}, "web:80": {"http", "web", "80"}, "https:web:tls": {"https", "web", "tls"},
	} {
		scheme, name, port, err := splitID("pod", id)
		if err != nil || [3]string{scheme, name, port} != want {
			t.Errorf("%s: %s %s %s, %v; want %v", id, scheme, name, port, err, want)
		}
	}
	for _, id := range []string{"", ":80", "ftp:web:21", "a:b:c:d"} {
		if _, _, _, err := splitID("pod", id); err == nil {
			t.Errorf("%q is accepted", id)
		}
	}
}

func TestProxyable(t *testing.T) {
	for ip, want := range map[string]bool{
		"10.244.0.5": true, "fd00::5": true, "127.0.0.1": false, "::1": false, "169.254.169.254": false, "0.0.0.0": false, "": false, "rubbish": false,
	} {
		if got := proxyable(ip) == nil; got != want {
			t.Errorf("%q may be proxied to: %v, want %v", ip, got, want)
		}
	}
}
