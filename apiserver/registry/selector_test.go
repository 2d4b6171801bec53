package registry

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/keelson-project/keelson/apiserver/cache"
	"github.com/keelson-project/keelson/apiserver/kinds"
)

func podLike() *Resource {
	k := &kinds.Kind{Namespaced: true, FieldNames: []string{"spec.nodeName"}, Fields: func(obj kinds.Object) fields.Set {
		return fields.Set{"spec.nodeName": obj.(*corev1.Pod).Spec.NodeName}
	}}
	r := &Resource{Kind: k}
	r.hub = r.source(k)
	return r
}

// FuzzSelectors checks that the short cuts a Selector takes pick what the
// selectors themselves do.
func FuzzSelectors(f *testing.F) {
	f.Add("a=b,c!=d", "metadata.name=x,metadata.namespace!=y")
	f.Add("a in (b,c),!d", "spec.nodeName=n")
	f.Add("", "metadata.name=p,metadata.name=q")
	r := podLike()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p", Labels: map[string]string{"a": "b"}}, Spec: corev1.PodSpec{NodeName: "n"}}
	it := cache.NewItem(r.hub, "ns/p", nil, pod, 1)
	f.Fuzz(func(t *testing.T, l, fs string) {
		byLabels, err := labels.Parse(l)
		if err != nil {
			return
		}
		byFields, err := fields.ParseSelector(fs)
		if err != nil {
			return
		}
		for _, namespace := range []string{"", "ns", "other"} {
			sel, err := r.Select(namespace, byLabels, byFields)
			if err != nil {
				return
			}
			want := (namespace == "" || namespace == "ns") && byLabels.Matches(it.Labels()) && byFields.Matches(it.Fields())
			if got := sel.Matches(it); got != want {
				t.Errorf("%q and %q in %q: picked %v, want %v", l, fs, namespace, got, want)
			}
		}
	})
}
