package scheduler_test

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler"
	"github.com/keelson-project/keelson/scheduler/framework"
	"github.com/keelson-project/keelson/scheduler/profile"
)

// workloads are the pods of the benchmarks: the i-th pod of each.
var workloads = []struct {
	name   string
	change func(i int, pod *corev1.Pod)
}{
	{"basic", func(int, *corev1.Pod) {}},
	{"node-affinity", func(i int, pod *corev1.Pod) {
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"zone1", "zone2"},
				}},
			}}},
		}}
	}},
	{"spread-zones", func(i int, pod *corev1.Pod) {
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread(corev1.LabelTopologyZone, corev1.DoNotSchedule)}
	}},
	{"spread-nodes", func(i int, pod *corev1.Pod) {
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread(corev1.LabelHostname, corev1.DoNotSchedule)}
	}},
	{"prefer-spread", func(i int, pod *corev1.Pod) {
		pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{spread(corev1.LabelTopologyZone, corev1.ScheduleAnyway), spread(corev1.LabelHostname, corev1.ScheduleAnyway)}
	}},
	// Every pod keeps the others of its group of ten off its node.
	{"anti-affinity", func(i int, pod *corev1.Pod) {
		pod.Labels["app"] = fmt.Sprintf("app-%d", i/10)
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{near(pod.Labels["app"], corev1.LabelHostname)},
		}}
	}},
	// Every pod wants to be in the zone of its group of ten.
	{"affinity", func(i int, pod *corev1.Pod) {
		pod.Labels["app"] = fmt.Sprintf("app-%d", i/10)
		pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{near(pod.Labels["app"], corev1.LabelTopologyZone)},
		}}
	}},
	{"prefer-anti-affinity", func(i int, pod *corev1.Pod) {
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{Weight: 10, PodAffinityTerm: near("app", corev1.LabelHostname)}},
		}}
	}},
}

func spread(key string, when corev1.UnsatisfiableConstraintAction) corev1.TopologySpreadConstraint {
	return corev1.TopologySpreadConstraint{TopologyKey: key, MaxSkew: 1, WhenUnsatisfiable: when,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}}}
}

func near(app, key string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

// BenchmarkDecide measures the decision alone, pod after pod, each taken into account for
// the next: no API, no queue. One operation is one pod; the cluster starts empty every 10,000 pods.
func BenchmarkDecide(b *testing.B) {
	const pods = 10000
	for _, nodes := range []int{1000, 5000} {
		for _, w := range workloads {
			b.Run(fmt.Sprintf("%s/%d", w.name, nodes), func(b *testing.B) {
				infos := make([]*framework.PodInfo, pods)
				for i := range infos {
					infos[i] = framework.NewPodInfo(benchPod(i, w.change))
				}
				var p *profile.Profile
				var snap *framework.Snapshot
				reset := func() {
					var err error
					if p, err = profile.New(profile.Config{Plugins: scheduler.DefaultPlugins(), Seed: 1}); err != nil {
						b.Fatal(err)
					}
					snap = benchNodes(nodes)
				}
				cluster := &framework.Cluster{}
				b.ReportAllocs()
				n := 0
				for b.Loop() {
					if n%pods == 0 {
						b.StopTimer()
						reset()
						b.StartTimer()
					}
					info := infos[n%pods]
					d, err := p.Decide(b.Context(), &framework.CycleState{Pod: info, Snapshot: snap, Cluster: cluster})
					if err != nil || d.Node == nil {
						b.Fatal(n, err, d.Diagnosis.Message())
					}
					snap.SetPod(info, d.Node.Name())
					n++
				}
				b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "pods/s")
			})
		}
	}
}

func benchNodes(n int) *framework.Snapshot {
	snap := framework.NewSnapshot()
	for i := range n {
		node := newNode(fmt.Sprintf("node-%05d", i), "32")
		node.Labels[corev1.LabelTopologyZone] = fmt.Sprintf("zone%d", i%3)
		node.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("64Gi")
		snap.SetNode(node)
	}
	return snap
}

func benchPod(i int, change func(int, *corev1.Pod)) *corev1.Pod {
	pod := newPod(fmt.Sprintf("pod-%06d", i), "100m")
	pod.UID = types.UID(pod.Name)
	pod.Labels = map[string]string{"app": "app"}
	pod.Spec.Containers[0].Resources.Requests[corev1.ResourceMemory] = resource.MustParse("500Mi")
	change(i, pod)
	return pod
}
