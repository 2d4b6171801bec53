package scheduler_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/profile"
)

var update = flag.Bool("update", false, "rewrite testdata with what the scheduler decides now")

// TestScenarios replays testdata/*.txt. A line is a command with options:
//
//	node NAME …   adds or replaces a node (4 cores, 8Gi, 110 pods unless said otherwise)
//	on NODE POD … puts a pod on a node
//	gone POD      takes a pod away
//	budget NAME allowed=N label:app=x   adds a disruption budget
//	pod NAME …    decides for a pod; the line below, marked with >, is the outcome.
//
// What is decided is taken into account for the pods that follow.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if !bytes.Equal(want, []byte(got)) {
				t.Errorf("decisions differ (see with -update):\n%s", got)
			}
		})
	}
}

type world struct {
	snap    *framework.Snapshot
	profile *profile.Profile
	cluster *framework.Cluster
	budgets cache.Indexer
}

func newWorld(t *testing.T) *world {
	w := &world{snap: framework.NewSnapshot()}
	var err error
	if w.profile, err = profile.New(profile.Config{Plugins: scheduler.DefaultPlugins(), Seed: 1}); err != nil {
		t.Fatal(err)
	}
	w.budgets = cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	w.cluster = &framework.Cluster{SchedulerName: "default-scheduler", PodDisruptionBudgets: policylisters.NewPodDisruptionBudgetLister(w.budgets)}
	return w
}

func replay(t *testing.T, text string) string {
	w := newWorld(t)
	var out strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, ">") {
			continue
		}
		out.WriteString(line)
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		switch f[0] {
		case "node":
			w.snap.SetNode(parseNode(t, f[1], f[2:]))
		case "on":
			pod := parsePod(t, f[2], f[3:])
			pod.Spec.NodeName = f[1]
			w.snap.SetPod(framework.NewPodInfo(pod), f[1])
		case "gone":
			w.snap.RemovePod(types.UID(f[1]))
		case "budget":
			w.budget(t, f[1], f[2:])
		case "pod":
			fmt.Fprintf(&out, "> %s\n", w.decide(t, parsePod(t, f[1], f[2:])))
		default:
			t.Fatalf("unknown command %q", f[0])
		}
	}
	return out.String()
}

func (w *world) decide(t *testing.T, pod *corev1.Pod) string {
	info := framework.NewPodInfo(pod)
	if st, _ := w.profile.PreEnqueue(pod); st != nil {
		return "held back: " + st.Message()
	}
	cs := &framework.CycleState{Pod: info, Snapshot: w.snap, Cluster: w.cluster}
	d, err := w.profile.Decide(t.Context(), cs)
	if errors.Is(err, profile.ErrNoNodes) {
		return err.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.Node != nil {
		w.snap.SetPod(info, d.Node.Name())
		return d.Node.Name()
	}
	r := w.profile.PostFilter(t.Context(), cs, d.Diagnosis)
	msg := d.Diagnosis.Message()
	if r != nil && r.NominatedNode != "" {
		w.snap.Nominate(info, r.NominatedNode)
		for _, v := range r.Victims {
			w.snap.Doom(v.Pod.UID)
			msg += " [" + v.Pod.Name + "]"
		}
	}
	return msg
}

func (w *world) budget(t *testing.T, name string, options []string) {
	b := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{}}}}
	for _, o := range options {
		switch key, value, _ := strings.Cut(o, "="); {
		case key == "allowed":
			b.Status.DisruptionsAllowed = int32(number(t, value))
		case strings.HasPrefix(key, "label:"):
			b.Spec.Selector.MatchLabels[strings.TrimPrefix(key, "label:")] = value
		}
	}
	if err := w.budgets.Add(b); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func parseNode(t *testing.T, name string, options []string) *corev1.Node {
	n := newNode(name, "4")
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch {
		case key == "cordoned":
			n.Spec.Unschedulable = true
		case key == "zone":
			n.Labels[corev1.LabelTopologyZone] = value
		case key == "no-hostname":
			delete(n.Labels, corev1.LabelHostname)
		case strings.HasPrefix(key, "label:"):
			n.Labels[strings.TrimPrefix(key, "label:")] = value
		case strings.HasPrefix(key, "taint:"):
			n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: strings.TrimPrefix(key, "taint:"), Effect: corev1.TaintEffect(value)})
		case strings.HasPrefix(key, "image:"):
			q := resource.MustParse(value)
			n.Status.Images = append(n.Status.Images, corev1.ContainerImage{Names: []string{strings.TrimPrefix(key, "image:")}, SizeBytes: q.Value()})
		default:
			n.Status.Allocatable[corev1.ResourceName(key)] = resource.MustParse(value)
		}
	}
	return n
}

// parsePod reads options: resources by name, label:K=V, select:K=V, tolerate:KEY, priority=N,
// port=N, image=NAME, gate=NAME, started=N (minutes ago), never-preempt,
// near|away|prefer-near|prefer-away:KEY=APP, spread|prefer-spread:KEY=APP.
func parsePod(t *testing.T, name string, options []string) *corev1.Pod {
	pod := newPod(name, "0")
	pod.UID = types.UID(name)
	pod.Labels = map[string]string{}
	aff := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}, PodAffinity: &corev1.PodAffinity{}, PodAntiAffinity: &corev1.PodAntiAffinity{}}
	c := &pod.Spec.Containers[0]
	c.Resources.Requests = corev1.ResourceList{}
	keys := strings.NewReplacer("zone", corev1.LabelTopologyZone, "host", corev1.LabelHostname)
	for _, o := range options {
		kind, value, _ := strings.Cut(o, "=")
		kind, key, _ := strings.Cut(kind, ":")
		term := corev1.PodAffinityTerm{TopologyKey: keys.Replace(key), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": value}}}
		spread := corev1.TopologySpreadConstraint{TopologyKey: keys.Replace(key), MaxSkew: 1, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: term.LabelSelector}
		switch kind {
		case "label":
			pod.Labels[key] = value
		case "select":
			if pod.Spec.NodeSelector == nil {
				pod.Spec.NodeSelector = map[string]string{}
			}
			pod.Spec.NodeSelector[key] = value
		case "named":
			aff.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}}}}
		case "prefer":
			aff.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = []corev1.PreferredSchedulingTerm{{Weight: 50, Preference: corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}}}}
		case "tolerate":
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
		case "priority":
			p := int32(number(t, value))
			pod.Spec.Priority = &p
		case "never-preempt":
			never := corev1.PreemptNever
			pod.Spec.PreemptionPolicy = &never
		case "started":
			at := metav1.NewTime(time.Unix(1e9, 0).Add(-time.Duration(number(t, value)) * time.Minute))
			pod.Status.StartTime = &at
		case "port":
			c.Ports = append(c.Ports, corev1.ContainerPort{HostPort: int32(number(t, value)), ContainerPort: 80})
		case "image":
			c.Image = value
		case "gate":
			pod.Spec.SchedulingGates = append(pod.Spec.SchedulingGates, corev1.PodSchedulingGate{Name: value})
		case "init":
			pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "i", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(value)}}})
		case "near":
			aff.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(aff.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term)
		case "away":
			aff.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution = append(aff.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, term)
		case "prefer-near":
			aff.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(aff.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: 100, PodAffinityTerm: term})
		case "prefer-away":
			aff.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(aff.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, corev1.WeightedPodAffinityTerm{Weight: 100, PodAffinityTerm: term})
		case "spread":
			pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, spread)
		case "prefer-spread":
			spread.WhenUnsatisfiable = corev1.ScheduleAnyway
			pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, spread)
		default:
			c.Resources.Requests[corev1.ResourceName(kind)] = resource.MustParse(value)
		}
	}
	pod.Spec.Affinity = aff
	return pod
}
