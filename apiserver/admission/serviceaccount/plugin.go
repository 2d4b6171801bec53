// Package serviceaccount gives every pod a service account, and its token a
// place in the file system of the containers.
package serviceaccount

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

const (
	defaultName = "default"
	mountPath   = "/var/run/secrets/kubernetes.io/serviceaccount"
	// tokenSeconds is an hour and a bit, which tells the token's issuer that
	// the holder refreshes it.
	tokenSeconds = 3607
	rootCAConfig = "kube-root-ca.crt"
	mirrorPod    = "kubernetes.io/config.mirror"
	mountable    = "kubernetes.io/enforce-mountable-secrets"
)

// Plugin is the admission plugin ServiceAccount.
type Plugin struct {
	// Account returns a service account or an API status error, NotFound if
	// there is none; required. A new namespace has its default account a
	// moment later, so for that one it had better wait a while.
	Account func(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "ServiceAccount" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// podOf returns the pod that is made or gets ephemeral containers; nil for
// other writes.
func podOf(a *admission.Attributes) *corev1.Pod {
	if a.Is("", "pods", "") && a.Operation == admission.Create || a.Is("", "pods", "ephemeralcontainers") {
		pod, _ := a.Object.(*corev1.Pod)
		return pod
	}
	return nil
}

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	pod := podOf(a)
	if pod == nil || a.Operation != admission.Create {
		return nil
	}
	// A mirror pod must stay as its kubelet has it.
	if _, mirror := pod.Annotations[mirrorPod]; mirror {
		return p.Validate(ctx, a)
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName, pod.Spec.DeprecatedServiceAccount = defaultName, defaultName
	}
	account, err := p.account(ctx, a, pod)
	if err != nil {
		return err
	}
	if wantsToken(account, pod) {
		mountToken(pod)
	}
	if len(pod.Spec.ImagePullSecrets) == 0 {
		pod.Spec.ImagePullSecrets = slices.Clone(account.ImagePullSecrets)
	}
	return p.check(a, pod, account)
}

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	pod := podOf(a)
	if pod == nil {
		return nil
	}
	if _, mirror := pod.Annotations[mirrorPod]; mirror && a.Operation == admission.Create {
		return checkMirror(a, pod)
	}
	if pod.Spec.ServiceAccountName == "" {
		return admission.Forbidden(a, fmt.Errorf("no service account specified for pod %s/%s", a.Namespace, pod.Name))
	}
	account, err := p.account(ctx, a, pod)
	if err != nil {
		return err
	}
	return p.check(a, pod, account)
}

// checkMirror refuses mirror pods that need something of the API.
func checkMirror(a *admission.Attributes, pod *corev1.Pod) error {
	if pod.Spec.ServiceAccountName != "" {
		return admission.Forbidden(a, errors.New("a mirror pod may not reference service accounts"))
	}
	for range podspec.Secrets(pod) {
		return admission.Forbidden(a, errors.New("a mirror pod may not reference secrets"))
	}
	for _, v := range pod.Spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			if s.ServiceAccountToken != nil {
				return admission.Forbidden(a, errors.New("a mirror pod may not use ServiceAccountToken volume projections"))
			}
		}
	}
	return nil
}

func (p Plugin) account(ctx context.Context, a *admission.Attributes, pod *corev1.Pod) (*corev1.ServiceAccount, error) {
	name := pod.Spec.ServiceAccountName
	account, err := p.Account(ctx, a.Namespace, name)
	if apierrors.IsNotFound(err) {
		err = apierrors.NewNotFound(corev1.Resource("serviceaccount"), name)
	}
	if err != nil {
		return nil, admission.Forbidden(a, fmt.Errorf("error looking up service account %s/%s: %w", a.Namespace, name, err))
	}
	return account, nil
}

func wantsToken(account *corev1.ServiceAccount, pod *corev1.Pod) bool {
	switch {
	case pod.Spec.AutomountServiceAccountToken != nil:
		return *pod.Spec.AutomountServiceAccountToken
	case account.AutomountServiceAccountToken != nil:
		return *account.AutomountServiceAccountToken
	}
	return true
}

// mountToken adds a volume with token, CA and namespace, and mounts it where
// clients look for it, in every container that has nothing there.
func mountToken(pod *corev1.Pod) {
	volume := tokenVolume(pod)
	used := false
	mount := func(containers []corev1.Container) {
		for i := range containers {
			c := &containers[i]
			if slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == mountPath }) {
				continue
			}
			c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: volume.Name, ReadOnly: true, MountPath: mountPath})
			used = true
		}
	}
	mount(pod.Spec.InitContainers)
	mount(pod.Spec.Containers)
	if used && !slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume.Name }) {
		pod.Spec.Volumes = append(pod.Spec.Volumes, volume)
	}
}

func tokenVolume(pod *corev1.Pod) corev1.Volume {
	const prefix = "kube-api-access-"
	for _, v := range pod.Spec.Volumes {
		if len(v.Name) > len(prefix) && v.Name[:len(prefix)] == prefix {
			return v
		}
	}
	seconds, mode := int64(tokenSeconds), int32(corev1.ProjectedVolumeSourceDefaultMode)
	return corev1.Volume{Name: prefix + rand.String(5), VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
		DefaultMode: &mode,
		Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{ExpirationSeconds: &seconds, Path: "token"}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: rootCAConfig}, Items: []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
			{DownwardAPI: &corev1.DownwardAPIProjection{Items: []corev1.DownwardAPIVolumeFile{{
				Path: "namespace", FieldRef: &corev1.ObjectFieldSelector{APIVersion: "v1", FieldPath: "metadata.namespace"},
			}}}},
		},
	}}}
}
