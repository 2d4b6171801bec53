package main

import (
	"bytes"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var schemaGV = corev1.SchemeGroupVersion

// A label picks one pod in labelValues.
const labelValues = 100

// codec writes and reads pods.
type codec struct{ serializers map[string]runtime.Serializer }

func newCodec() (*codec, error) {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	return &codec{map[string]runtime.Serializer{
		jsonType:     json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{}),
		protobufType: protobuf.NewSerializer(scheme, scheme),
	}}, nil
}

func (c *codec) encode(media string, pod *corev1.Pod) ([]byte, error) {
	pod.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"}
	var b bytes.Buffer
	if err := c.serializers[media].Encode(pod, &b); err != nil {
		return nil, fmt.Errorf("encoding a pod: %w", err)
	}
	return b.Bytes(), nil
}

func (c *codec) decode(media string, data []byte) (*corev1.Pod, error) {
	pod := &corev1.Pod{}
	if _, _, err := c.serializers[media].Decode(data, nil, pod); err != nil {
		return nil, fmt.Errorf("decoding a pod: %w", err)
	}
	return pod, nil
}

// newPod is a pod such as a deployment makes them: two containers and one that
// runs before them, with probes, environment, resources and volumes. With what
// the server adds it is some 8 KB of JSON.
func newPod(namespace, name string, i int) *corev1.Pod {
	yes, no, user := true, false, int64(1000)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name,
			Labels: map[string]string{
				"app.kubernetes.io/name": "shop", "app.kubernetes.io/component": "backend", "app.kubernetes.io/managed-by": "apibench",
				"group": fmt.Sprint(i % labelValues), "pod-template-hash": "7d4b9c6f5d",
			},
			Annotations: map[string]string{
				"prometheus.io/scrape": "true", "prometheus.io/port": "8080",
				"checksum/config": "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
			},
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "shop-7d4b9c6f5d", UID: "5e1b8a3c-4a07-4a2e-9c58-0d7a2f1f3b60", Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: corev1.PodSpec{
			InitContainers: []corev1.Container{{
				Name: "migrate", Image: "registry.example.com/shop/migrate:v1.28.3", Command: []string{"/migrate", "--wait", "--timeout=60s"},
				VolumeMounts: []corev1.VolumeMount{{Name: "config", MountPath: "/etc/shop", ReadOnly: true}},
			}},
			SecurityContext:    &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
			NodeSelector:       map[string]string{"kubernetes.io/os": "linux", "example.com/pool": "none-of-them"},
			EnableServiceLinks: &no,
			Volumes: []corev1.Volume{
				{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "shop"}}}},
				{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
			},
		},
	}
	for _, name := range []string{"server", "proxy"} {
		probe := corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromString("http-" + name)}}
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{
			Name: name, Image: "registry.example.com/shop/" + name + ":v1.28.3", Args: []string{"--config=/etc/shop/config.yaml", "--v=2"},
			Ports: []corev1.ContainerPort{{Name: "http-" + name, ContainerPort: int32(8000 + len(name))}},
			Env: []corev1.EnvVar{
				{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
				{Name: "GOMEMLIMIT", Value: "200MiB"}, {Name: "SHOP_REGION", Value: "eu-central-1"},
			},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse("100m"), "memory": resource.MustParse("128Mi")},
				Limits:   corev1.ResourceList{"memory": resource.MustParse("256Mi")},
			},
			VolumeMounts: []corev1.VolumeMount{
				{Name: "config", MountPath: "/etc/shop", ReadOnly: true}, {Name: "scratch", MountPath: "/tmp"},
			},
			LivenessProbe: &corev1.Probe{ProbeHandler: probe, PeriodSeconds: 20}, ReadinessProbe: &corev1.Probe{ProbeHandler: probe, PeriodSeconds: 5},
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes, Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
		})
	}
	return pod
}

// running gives a pod the status that a kubelet reports.
func running(pod *corev1.Pod, now time.Time) {
	at := metav1.NewTime(now.Truncate(time.Second))
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, HostIP: "10.0.0.7", HostIPs: []corev1.HostIP{{IP: "10.0.0.7"}}, PodIP: "10.244.3.17", PodIPs: []corev1.PodIP{{IP: "10.244.3.17"}},
		StartTime: &at, QOSClass: pod.Status.QOSClass,
	}
	for _, c := range []corev1.PodConditionType{corev1.PodReadyToStartContainers, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady, corev1.PodScheduled} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: c, Status: corev1.ConditionTrue, LastTransitionTime: at})
	}
	yes := true
	for _, c := range pod.Spec.Containers {
		pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
			Name: c.Name, Ready: true, Started: &yes, Image: c.Image,
			ImageID:     "registry.example.com/shop@sha256:b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c",
			ContainerID: "containerd://7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730",
			State:       corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at}},
		})
	}
}
