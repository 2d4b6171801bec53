package core

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/column"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

func node() *kinds.Kind {
	status, info := corev1.NodeStatus{}.SwaggerDoc(), corev1.NodeSystemInfo{}.SwaggerDoc()
	return kinds.Definition[*corev1.Node]{
		GVK:        gvk("Node"),
		Names:      kinds.Names{Resource: "nodes", Singular: "node", ShortNames: []string{"no"}},
		StorageKey: "minions",
		New:        func() *corev1.Node { return &corev1.Node{} },
		NewList:    func() runtime.Object { return &corev1.NodeList{} },

		Default: defaultNode,
		PrepareCreate: func(_ context.Context, n *corev1.Node) {
			n.Spec.ConfigSource, n.Status.Config = nil, nil
			n.Spec.PodPreemptionPolicy = nil
		},
		PrepareUpdate: func(_ context.Context, n, old *corev1.Node) {
			n.Status = old.Status
			if old.Spec.ConfigSource == nil {
				n.Spec.ConfigSource = nil
			}
			if old.Spec.PodPreemptionPolicy == nil {
				n.Spec.PodPreemptionPolicy = nil
			}
		},
		Warnings:            nodeWarnings,
		UnconditionalUpdate: true,
		RecheckName:         true,

		HasStatus: true,
		PrepareStatusUpdate: func(_ context.Context, n, old *corev1.Node) {
			n.Spec = old.Spec
			if old.Status.Config == nil {
				n.Status.Config = nil
			}
		},

		Fields: func(n *corev1.Node) fields.Set {
			return fields.Set{"spec.unschedulable": strconv.FormatBool(n.Spec.Unschedulable)}
		},
		FieldNames: []string{"spec.unschedulable"},

		Validate: func(_ context.Context, o *corev1.Node) field.ErrorList { return validateNode(o) },
		ValidateUpdate: func(_ context.Context, o, old *corev1.Node) field.ErrorList {
			return append(validateNode(o), validateNodeUpdate(o, old)...)
		},
		ValidateStatusUpdate: func(_ context.Context, o, old *corev1.Node) field.ErrorList { return validateNodeUpdate(o, old) },

		Columns: []metav1.TableColumnDefinition{
			column.Name(),
			column.Text("Status", "The status of the node"),
			column.Text("Roles", "The roles of the node"),
			column.Age(),
			column.Text("Version", info["kubeletVersion"]),
			column.Wide("Internal-IP", status["addresses"]),
			column.Wide("External-IP", status["addresses"]),
			column.Wide("OS-Image", info["osImage"]),
			column.Wide("Kernel-Version", info["kernelVersion"]),
			column.Wide("Container-Runtime", info["containerRuntimeVersion"]),
		},
		Cells: nodeCells,
	}.Kind()
}

func defaultNode(n *corev1.Node) {
	if n.Status.Allocatable == nil && n.Status.Capacity != nil {
		n.Status.Allocatable = maps.Clone(n.Status.Capacity)
	}
	podspec.Round(n.Status.Capacity)
	podspec.Round(n.Status.Allocatable)
	// podCIDR and podCIDRs say the same; where they differ, the singular
	// comes from a client that knows no better.
	switch cidr, cidrs := n.Spec.PodCIDR, n.Spec.PodCIDRs; {
	case cidr != "" && (len(cidrs) == 0 || cidrs[0] != cidr):
		n.Spec.PodCIDRs = []string{cidr}
	case cidr == "" && len(cidrs) > 0:
		n.Spec.PodCIDR = cidrs[0]
	}
}

func nodeWarnings(_ context.Context, n, _ *corev1.Node) []string {
	var out []string
	if n.Spec.ConfigSource != nil {
		out = append(out, "spec.configSource: the feature is removed")
	}
	if n.Spec.DoNotUseExternalID != "" {
		out = append(out, "spec.externalID: this field is deprecated, and is unused by Kubernetes")
	}
	for i, cidr := range n.Spec.PodCIDRs {
		out = append(out, validation.GetWarningsForCIDR(field.NewPath("spec", "podCIDRs").Index(i), cidr)...)
	}
	return out
}

func nodeCells(n *corev1.Node) []any {
	state := "Unknown"
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			state = "NotReady"
			if c.Status == corev1.ConditionTrue {
				state = "Ready"
			}
		}
	}
	if n.Spec.Unschedulable {
		state += ",SchedulingDisabled"
	}
	info := n.Status.NodeInfo
	kernel := unknownIfEmpty(info.KernelVersion)
	if info.Architecture != "" {
		kernel += " (" + info.Architecture + ")"
	}
	return []any{
		n.Name, state, nodeRoles(n), column.Since(n.CreationTimestamp), info.KubeletVersion,
		nodeAddress(n, corev1.NodeInternalIP), nodeAddress(n, corev1.NodeExternalIP),
		unknownIfEmpty(info.OSImage), kernel, unknownIfEmpty(info.ContainerRuntimeVersion),
	}
}

func nodeAddress(n *corev1.Node, t corev1.NodeAddressType) string {
	for _, a := range n.Status.Addresses {
		if a.Type == t {
			return a.Address
		}
	}
	return column.None
}

func nodeRoles(n *corev1.Node) string {
	var roles []string
	for key, value := range n.Labels {
		if role, ok := strings.CutPrefix(key, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		} else if key == "kubernetes.io/role" && value != "" {
			roles = append(roles, value)
		}
	}
	if len(roles) == 0 {
		return column.None
	}
	slices.Sort(roles)
	return strings.Join(slices.Compact(roles), ",")
}

func unknownIfEmpty(s string) string {
	if s == "" {
		return column.Unknown
	}
	return s
}
