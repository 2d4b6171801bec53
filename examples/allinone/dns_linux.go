package main

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"text/template"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/keelson-project/keelson/cluster"
)

// dnsManifest is the cluster's DNS: CoreDNS with what it may read.
//
//go:embed coredns.yaml
var dnsManifest string

// dnsConfig fills in the manifest.
type dnsConfig struct {
	Image      string
	PullPolicy corev1.PullPolicy
	Address    netip.Addr
	Domain     string
}

// deployDNS applies the manifest, as kubectl apply --server-side would.
func deployDNS(ctx context.Context, c *cluster.Cluster, config dnsConfig) error {
	t, err := template.New("coredns.yaml").Parse(dnsManifest)
	if err != nil {
		return fmt.Errorf("cluster DNS: %w", err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, config); err != nil {
		return fmt.Errorf("cluster DNS: %w", err)
	}
	client, err := dynamic.NewForConfig(c.Config())
	if err != nil {
		return fmt.Errorf("cluster DNS: %w", err)
	}
	mapper := meta.NewDefaultRESTMapper(scheme.Scheme.PrioritizedVersionsAllGroups())
	for gvk := range scheme.Scheme.AllKnownTypes() {
		mapper.Add(gvk, meta.RESTScopeNamespace)
	}
	decoder := yaml.NewYAMLOrJSONDecoder(&text, 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(obj); err != nil {
			break
		}
		mapping, err := mapper.RESTMapping(obj.GroupVersionKind().GroupKind(), obj.GroupVersionKind().Version)
		if err != nil {
			return fmt.Errorf("cluster DNS: %w", err)
		}
		data, err := runtime.Encode(unstructured.UnstructuredJSONScheme, obj)
		if err != nil {
			return fmt.Errorf("cluster DNS: %w", err)
		}
		force := true
		_, err = client.Resource(mapping.Resource).Namespace(obj.GetNamespace()).Patch(ctx, obj.GetName(), types.ApplyPatchType, data,
			metav1.PatchOptions{FieldManager: "allinone", Force: &force})
		if err != nil {
			return fmt.Errorf("cluster DNS: applying %s %s: %w", obj.GetKind(), obj.GetName(), err)
		}
	}
	return nil
}
