package core

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
)

func service() *kinds.Kind {
	spec := corev1.ServiceSpec{}.SwaggerDoc()
	return kinds.Definition[*corev1.Service]{
		GVK:        gvk("Service"),
		Names:      kinds.Names{Resource: "services", Singular: "service", ShortNames: []string{"svc"}, Categories: []string{"all"}},
		Namespaced: true,
		StorageKey: "services/specs",
		New:        func() *corev1.Service { return &corev1.Service{} },
		NewList:    func() runtime.Object { return &corev1.ServiceList{} },

		ValidName: validation.NameIsDNSLabel,
		Default:   defaultService,
		// Addresses and ports are given before this: see apiserver/allocator.
		PrepareCreate: func(_ context.Context, s *corev1.Service) {
			s.Status = corev1.ServiceStatus{}
			SyncClusterIPs(s, nil) // where nothing gives addresses
		},
		PrepareUpdate: func(_ context.Context, s, old *corev1.Service) {
			s.Status = old.Status
			SyncClusterIPs(s, old)
			dropForType(s, old)
		},
		Canonicalize: func(s *corev1.Service) {
			if s.Spec.Type == corev1.ServiceTypeExternalName {
				s.Spec.InternalTrafficPolicy = nil
			}
			SyncClusterIPs(s, nil)
		},
		CreateOnUpdate:      true,
		UnconditionalUpdate: true,
		ReturnDeleted:       true,

		HasStatus:           true,
		PrepareStatusUpdate: func(_ context.Context, s, old *corev1.Service) { s.Spec = old.Spec },
		StatusWarnings:      serviceStatusWarnings,

		Fields: func(s *corev1.Service) fields.Set {
			return fields.Set{"spec.clusterIP": s.Spec.ClusterIP, "spec.type": string(s.Spec.Type)}
		},
		FieldNames: []string{"spec.clusterIP", "spec.type"},

		Validate:             func(_ context.Context, o *corev1.Service) field.ErrorList { return validateService(o, nil) },
		ValidateUpdate:       func(_ context.Context, o, old *corev1.Service) field.ErrorList { return validateServiceUpdate(o, old) },
		ValidateStatusUpdate: func(_ context.Context, o, old *corev1.Service) field.ErrorList { return validateServiceStatus(o, old) },
		Warnings:             serviceWarnings,

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Type", spec["type"]),
			column.Text("Cluster-IP", spec["clusterIP"]),
			column.Text("External-IP", spec["externalIPs"]),
			column.Text("Port(s)", spec["ports"]),
			column.Age(),
			column.Wide("Selector", spec["selector"]),
		},
		Cells: func(s *corev1.Service) []any {
			ip := column.None
			if len(s.Spec.ClusterIPs) > 0 {
				ip = s.Spec.ClusterIPs[0]
			}
			return []any{
				s.Name, string(s.Spec.Type), ip, externalIPs(s), servicePorts(s),
				column.Since(s.CreationTimestamp), column.Labels(s.Spec.Selector),
			}
		},
	}.Kind()
}

func defaultService(s *corev1.Service) {
	spec := &s.Spec
	switch spec.SessionAffinity {
	case "", corev1.ServiceAffinityNone:
		spec.SessionAffinity, spec.SessionAffinityConfig = corev1.ServiceAffinityNone, nil
	case corev1.ServiceAffinityClientIP:
		if c := spec.SessionAffinityConfig; c == nil || c.ClientIP == nil || c.ClientIP.TimeoutSeconds == nil {
			spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{
				ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: ref(corev1.DefaultClientIPServiceAffinitySeconds)},
			}
		}
	}
	if spec.Type == "" {
		spec.Type = corev1.ServiceTypeClusterIP
	}
	for i := range spec.Ports {
		p := &spec.Ports[i]
		if p.Protocol == "" {
			p.Protocol = corev1.ProtocolTCP
		}
		if p.TargetPort == intstr.FromInt32(0) || p.TargetPort == intstr.FromString("") {
			p.TargetPort = intstr.FromInt32(p.Port)
		}
	}
	if externallyAccessible(s) && spec.ExternalTrafficPolicy == "" {
		spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
	}
	if spec.InternalTrafficPolicy == nil && slices.Contains([]corev1.ServiceType{
		corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer,
	}, spec.Type) {
		spec.InternalTrafficPolicy = ref(corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		if spec.AllocateLoadBalancerNodePorts == nil {
			spec.AllocateLoadBalancerNodePorts = ref(true)
		}
		for i := range s.Status.LoadBalancer.Ingress {
			if in := &s.Status.LoadBalancer.Ingress[i]; in.IP != "" && in.IPMode == nil {
				in.IPMode = ref(corev1.LoadBalancerIPModeVIP)
			}
		}
	}
}

func externallyAccessible(s *corev1.Service) bool {
	return s.Spec.Type == corev1.ServiceTypeLoadBalancer || s.Spec.Type == corev1.ServiceTypeNodePort ||
		s.Spec.Type == corev1.ServiceTypeClusterIP && len(s.Spec.ExternalIPs) > 0
}

func externalIPs(s *corev1.Service) string {
	switch s.Spec.Type {
	case corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort:
		return noneIfEmpty(strings.Join(s.Spec.ExternalIPs, ","))
	case corev1.ServiceTypeExternalName:
		return s.Spec.ExternalName
	case corev1.ServiceTypeLoadBalancer:
		var all []string
		for _, in := range s.Status.LoadBalancer.Ingress {
			if in.IP != "" {
				all = append(all, in.IP)
			} else if in.Hostname != "" {
				all = append(all, in.Hostname)
			}
		}
		slices.Sort(all)
		all = append(slices.Compact(all), s.Spec.ExternalIPs...)
		if len(all) == 0 {
			return "<pending>"
		}
		return strings.Join(all, ",")
	}
	return column.Unknown
}

func servicePorts(s *corev1.Service) string {
	var all []string
	for _, p := range s.Spec.Ports {
		if p.NodePort > 0 {
			all = append(all, fmt.Sprintf("%d:%d/%s", p.Port, p.NodePort, p.Protocol))
		} else {
			all = append(all, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
		}
	}
	return noneIfEmpty(strings.Join(all, ","))
}
