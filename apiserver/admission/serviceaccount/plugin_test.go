package serviceaccount_test

import (
	"context"
	"regexp"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/keelson-project/keelson/apiserver/admission/admissiontest"
	"github.com/keelson-project/keelson/apiserver/admission/serviceaccount"
)

func step(t *testing.T) serviceaccount.Plugin {
	return serviceaccount.Plugin{Account: func(_ context.Context, namespace, name string) (*corev1.ServiceAccount, error) {
		more, ok := map[string]string{
			"default": ``,
			"silent":  `,"automountServiceAccountToken":false`,
			"pulls":   `,"automountServiceAccountToken":false,"imagePullSecrets":[{"name":"registry"}]`,
			"strict":  `,"automountServiceAccountToken":false,"secrets":[{"name":"mine"}],"imagePullSecrets":[{"name":"registry"}]`,
		}[name]
		if !ok {
			return nil, apierrors.NewNotFound(corev1.Resource("serviceaccounts"), name)
		}
		meta := ""
		if name == "strict" {
			meta = `,"annotations":{"kubernetes.io/enforce-mountable-secrets":"true"}`
		}
		return admissiontest.Decode(t, `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"namespace":"`+namespace+`","name":"`+name+`"`+meta+`}`+more+`}`).(*corev1.ServiceAccount), nil
	}}
}

func pod(meta, spec string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n"` + meta + `},"spec":{` + spec + `}}`
}

func TestAccounts(t *testing.T) {
	const mirror = `,"annotations":{"kubernetes.io/config.mirror":"x"}`
	const silent = `"automountServiceAccountToken":false`
	admissiontest.Run(t, step(t), []admissiontest.Case{
		{Name: "default", Object: pod("", silent), Want: `{"spec":{"serviceAccount":"default","serviceAccountName":"default"}}`},
		{Name: "named", Object: pod("", `"serviceAccountName":"silent"`)},
		{Name: "missing", Object: pod("", `"serviceAccountName":"x"`), Refused: `pods "p" is forbidden: error looking up service account n/x: serviceaccount "x" not found`},
		{Name: "pull secrets", Object: pod("", `"serviceAccountName":"pulls"`), Want: `{"spec":{"imagePullSecrets":[{"name":"registry"}]}}`},
		{Name: "own pull secrets", Object: pod("", `"serviceAccountName":"pulls","imagePullSecrets":[{"name":"own"}]`)},
		{Name: "update", Object: pod("", ""), Old: pod("", "")},
		{Name: "mirror", Object: pod(mirror, "")},
		{Name: "mirror with account", Object: pod(mirror, `"serviceAccountName":"default"`), Refused: "a mirror pod may not reference service accounts"},
		{Name: "mirror with secret", Object: pod(mirror, `"volumes":[{"name":"v","projected":{"sources":[{"secret":{"name":"s"}}]}}]`), Refused: "a mirror pod may not reference secrets"},
		{Name: "mirror with token", Object: pod(mirror, `"volumes":[{"name":"v","projected":{"sources":[{"serviceAccountToken":{"path":"t"}}]}}]`), Refused: "a mirror pod may not use ServiceAccountToken volume projections"},
	})
}

func TestStrictAccounts(t *testing.T) {
	strict := func(spec string) string { return pod("", `"serviceAccountName":"strict",`+spec) }
	env := func(name string) string {
		return `"env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"` + name + `","key":"k"}}}]`
	}
	registry := `{"spec":{"imagePullSecrets":[{"name":"registry"}]}}`
	const ephemeral = `"ephemeralContainers":[{"name":"e",`
	admissiontest.Run(t, step(t), []admissiontest.Case{
		{Name: "its own", Object: strict(`"volumes":[{"name":"v","secret":{"secretName":"mine"}}],"containers":[{"name":"c",` + env("mine") + `}]`), Want: registry},
		{Name: "volume", Object: strict(`"volumes":[{"name":"v","secret":{"secretName":"other"}}]`), Refused: `volume with secret.secretName="other" is not allowed because service account strict does not reference that secret`},
		{Name: "variable", Object: strict(`"containers":[{"name":"c",` + env("other") + `}]`), Refused: `container c with envVar E referencing secret.secretName="other" is not allowed because service account strict does not reference that secret`},
		{Name: "environment", Object: strict(`"initContainers":[{"name":"c","envFrom":[{"secretRef":{"name":"other"}}]}]`), Refused: `init container c with envFrom referencing secret.secretName="other" is not allowed`},
		{Name: "pull secret", Object: strict(`"imagePullSecrets":[{"name":"registry"},{"name":"other"}]`), Refused: `imagePullSecrets[1].name="other" is not allowed because service account strict does not reference that imagePullSecret`},
		{Name: "ephemeral container", Object: strict(ephemeral + env("other") + `}]`), Old: strict(`"hostPID":true`), Subresource: "ephemeralcontainers", Refused: `ephemeral container e with envVar E referencing secret.secretName="other" is not allowed`},
		{Name: "what was there before", Object: strict(ephemeral + env("mine") + `}],"volumes":[{"name":"v","secret":{"secretName":"other"}}]`), Old: strict(`"hostPID":true`), Subresource: "ephemeralcontainers"},
	})
}

func TestTokenVolume(t *testing.T) {
	a := (&admissiontest.Case{Object: pod("", `"initContainers":[{"name":"i"}],"containers":[{"name":"a"},{"name":"own","volumeMounts":[{"name":"x","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]`)}).Attributes(t)
	if err := step(t).Admit(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	spec := &a.Object.(*corev1.Pod).Spec
	if len(spec.Volumes) != 1 || !regexp.MustCompile(`^kube-api-access-[a-z0-9]{5}$`).MatchString(spec.Volumes[0].Name) {
		t.Fatalf("volumes are %v", spec.Volumes)
	}
	token := spec.Volumes[0].Projected.Sources[0].ServiceAccountToken
	if len(spec.Volumes[0].Projected.Sources) != 3 || *token.ExpirationSeconds != 3607 || token.Path != "token" || *spec.Volumes[0].Projected.DefaultMode != 0o644 {
		t.Errorf("the volume is %v", spec.Volumes[0].Projected)
	}
	for _, c := range []corev1.Container{spec.InitContainers[0], spec.Containers[0]} {
		if len(c.VolumeMounts) != 1 || c.VolumeMounts[0].Name != spec.Volumes[0].Name || !c.VolumeMounts[0].ReadOnly {
			t.Errorf("container %s mounts %v", c.Name, c.VolumeMounts)
		}
	}
	if own := spec.Containers[1].VolumeMounts; len(own) != 1 || own[0].Name != "x" {
		t.Errorf("a container with something there mounts %v", own)
	}
	admissiontest.Run(t, step(t), []admissiontest.Case{
		{Name: "a volume that is there already", Object: pod("", `"serviceAccountName":"default","containers":[{"name":"a"}],"volumes":[{"name":"kube-api-access-x"}]`),
			Want: `{"spec":{"containers":[{"name":"a","resources":{},"volumeMounts":[{"name":"kube-api-access-x","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]}}`},
		{Name: "nobody needs it", Object: pod("", `"serviceAccountName":"default","containers":[{"name":"own","volumeMounts":[{"name":"x","mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}]}]`)},
	})
}
