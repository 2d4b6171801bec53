// Package serviceaccount gives every pod a service account, and its token a
// place in the file system of the containers.
package serviceaccount

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/rand"

	"github.com/keelson-project/keelson/apiserver/admission"
)

const (
	defaultName = "default"
	mountPath   = "/var/run/secrets/kubernetes.io/serviceaccount"
	// tokenSeconds is an hour and a bit, which tells the token's issuer that
	// the holder refreshes it.
	tokenSeconds = 3607
	rootCAConfig = "kube-root-ca.crt"
	mirrorPod    = "kubernetes.io/config.mirror"
	// A new namespace has its default account a moment later: so many times
	// it is looked for.
	attempts      = 10
	betweenLookup = 100 * time.Millisecond
)

// Plugin is the admission plugin ServiceAccount.
type Plugin struct {
	// Account returns a service account or an API status error; required.
	Account func(ctx context.Context, namespace, name string) (*corev1.ServiceAccount, error)
}

// Name implements admission.Plugin.
func (Plugin) Name() string { return "ServiceAccount" }

// Handles implements admission.Plugin.
func (Plugin) Handles(op admission.Operation) bool {
	return op == admission.Create || op == admission.Update
}

// Admit implements admission.Mutator.
func (p Plugin) Admit(ctx context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok || a.Subresource != "" || a.Operation != admission.Create {
		return nil
	}
	if _, mirror := pod.Annotations[mirrorPod]; mirror {
		return p.Validate(ctx, a)
	}
	if pod.Spec.ServiceAccountName == "" {
		pod.Spec.ServiceAccountName = defaultName
	}
	pod.Spec.DeprecatedServiceAccount = pod.Spec.ServiceAccountName
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
	return nil
}

// Validate implements admission.Validator.
func (p Plugin) Validate(ctx context.Context, a *admission.Attributes) error {
	pod, ok := a.Object.(*corev1.Pod)
	if !ok || a.Subresource != "" || a.Operation != admission.Create {
		return nil
	}
	forbidden := func(text string) error {
		return apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, fmt.Errorf("%s", text))
	}
	if _, mirror := pod.Annotations[mirrorPod]; mirror {
		if pod.Spec.ServiceAccountName != "" {
			return forbidden("a mirror pod may not reference service accounts")
		}
		for _, v := range pod.Spec.Volumes {
			if v.Projected == nil {
				continue
			}
			for _, s := range v.Projected.Sources {
				if s.ServiceAccountToken != nil {
					return forbidden("a mirror pod may not use ServiceAccountToken volume projections")
				}
			}
		}
		return nil
	}
	if _, err := p.account(ctx, a, pod); err != nil {
		return err
	}
	return nil
}

func (p Plugin) account(ctx context.Context, a *admission.Attributes, pod *corev1.Pod) (*corev1.ServiceAccount, error) {
	name := pod.Spec.ServiceAccountName
	account, err := p.Account(ctx, a.Namespace, name)
	for tried := 1; tried < attempts && name == defaultName && apierrors.IsNotFound(err) && ctx.Err() == nil; tried++ {
		select {
		case <-time.After(betweenLookup):
			account, err = p.Account(ctx, a.Namespace, name)
		case <-ctx.Done():
		}
	}
	if err != nil {
		return nil, apierrors.NewForbidden(a.Resource.GroupResource(), a.Name, fmt.Errorf("error looking up service account %s/%s: %w", a.Namespace, name, err))
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
