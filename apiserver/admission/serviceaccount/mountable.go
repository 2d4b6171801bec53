package serviceaccount

import (
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/keelson-project/keelson/apiserver/admission"
	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// check refuses secrets that the account does not list, where the account
// wants that.
func (p Plugin) check(a *admission.Attributes, pod *corev1.Pod, account *corev1.ServiceAccount) error {
	if strict, err := strconv.ParseBool(account.Annotations[mountable]); err != nil || !strict {
		return nil
	}
	if err := listed(pod, account, a.Operation == admission.Create); err != nil {
		return admission.Forbidden(a, err)
	}
	return nil
}

// listed looks at all of a new pod, or at the ephemeral containers of one that
// is there.
func listed(pod *corev1.Pod, account *corev1.ServiceAccount, created bool) error {
	has := func(secret string) bool {
		return slices.ContainsFunc(account.Secrets, func(ref corev1.ObjectReference) bool { return ref.Name == secret })
	}
	for i := range pod.Spec.Volumes {
		if s := pod.Spec.Volumes[i].Secret; created && s != nil && !has(s.SecretName) {
			return fmt.Errorf("volume with secret.secretName=%q is not allowed because service account %s does not reference that secret", s.SecretName, account.Name)
		}
	}
	for env := range podspec.Environments(&pod.Spec) {
		if env.Secret == "" || has(env.Secret) || created == (env.Kind == "ephemeral container") {
			continue
		}
		where := "envFrom"
		if env.Variable != "" {
			where = "envVar " + env.Variable
		}
		return fmt.Errorf("%s %s with %s referencing secret.secretName=%q is not allowed because service account %s does not reference that secret", env.Kind, env.Container, where, env.Secret, account.Name)
	}
	for i, ref := range pod.Spec.ImagePullSecrets {
		if created && !slices.Contains(account.ImagePullSecrets, ref) {
			return fmt.Errorf("imagePullSecrets[%d].name=%q is not allowed because service account %s does not reference that imagePullSecret", i, ref.Name, account.Name)
		}
	}
	return nil
}
