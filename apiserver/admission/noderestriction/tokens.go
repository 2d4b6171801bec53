package noderestriction

import (
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/keelson-project/keelson/apiserver/admission"
)

// token allows tokens that are bound to a pod of the node, for audiences that
// the pod needs them for.
func (w write) token() error {
	if w.Operation != admission.Create || w.Subresource != "token" {
		return nil
	}
	request, ok := w.Object.(*authenticationv1.TokenRequest)
	if !ok {
		return w.no("unexpected type %T", w.Object)
	}
	ref := request.Spec.BoundObjectRef
	if ref == nil || ref.APIVersion != "v1" || ref.Kind != "Pod" || ref.Name == "" {
		return w.no("node requested token not bound to a pod")
	}
	if ref.UID == "" {
		return w.no("node requested token with a pod binding without a uid")
	}
	pod, err := w.p.Pod(w.ctx, w.Namespace, ref.Name)
	switch {
	case apierrors.IsNotFound(err):
		return err
	case err != nil:
		return w.no("%w", err)
	case ref.UID != pod.UID:
		return w.no("the UID in the bound object reference (%s) does not match the UID in record. The object might have been deleted and then recreated", ref.UID)
	case pod.Spec.NodeName != w.node:
		return w.no("node requested token bound to a pod scheduled on a different node")
	}
	audience := ""
	switch len(request.Spec.Audiences) {
	case 0:
	case 1:
		audience = request.Spec.Audiences[0]
	default:
		return w.no("node may only request 0 or 1 audiences")
	}
	needed, err := w.needs(pod, audience)
	switch {
	case err != nil:
		return w.no("error validating audience %q: %w", audience, err)
	case needed:
		return nil
	}
	allowed, err := w.allowed("request-serviceaccounts-token-audience", audience, w.Name)
	switch {
	case allowed:
		return nil
	case err != nil:
		return w.no("error authorizing %s to request tokens for audience %q: %w", w.User.GetName(), audience, err)
	}
	return w.no("%s is not authorized to request tokens for audience %q", w.User.GetName(), audience)
}

// allowed asks the authorizer about a verb of the node's own.
func (w write) allowed(verb, resource, name string) (bool, error) {
	decision, _, err := w.p.Authorizer.Authorize(w.ctx, authorizer.AttributesRecord{
		User: w.User, Verb: verb, APIGroup: w.Resource.Group, APIVersion: w.Resource.Version, Resource: resource,
		Namespace: w.Namespace, Name: name, ResourceRequest: true,
	})
	return decision == authorizer.DecisionAllow, err
}

// needs reports whether a volume of a pod, or the CSI driver of one, wants
// tokens for an audience.
func (w write) needs(pod *corev1.Pod, audience string) (bool, error) {
	var errs []error
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		if v.Projected != nil {
			for _, s := range v.Projected.Sources {
				if t := s.ServiceAccountToken; t != nil && t.Audience == audience {
					return true, nil
				}
			}
		}
		driver, err := w.driver(pod, v)
		if err == nil && driver != "" {
			var wants bool
			if wants, err = w.wants(driver, audience); wants {
				return true, nil
			}
		}
		errs = append(errs, err)
	}
	return false, errors.Join(errs...)
}

// driver is the name of the CSI driver of a volume; empty if it has none.
func (w write) driver(pod *corev1.Pod, v *corev1.Volume) (string, error) {
	claim := ""
	switch {
	case v.CSI != nil:
		return v.CSI.Driver, nil
	case v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil:
		claim = pod.Name + "-" + v.Name
	case v.PersistentVolumeClaim != nil:
		claim = v.PersistentVolumeClaim.ClaimName
	default:
		return "", nil
	}
	c, err := w.p.Claim(w.ctx, pod.Namespace, claim)
	if err != nil {
		return "", err
	}
	volume, err := w.p.Volume(w.ctx, c.Spec.VolumeName)
	if err != nil || volume.Spec.CSI == nil {
		return "", err
	}
	return volume.Spec.CSI.Driver, nil
}

func (w write) wants(driver, audience string) (bool, error) {
	d, err := w.p.CSIDriver(w.ctx, driver)
	if err != nil {
		return false, fmt.Errorf("driver %s: %w", driver, err)
	}
	for _, t := range d.Spec.TokenRequests {
		if t.Audience == audience {
			return true, nil
		}
	}
	return false, nil
}
