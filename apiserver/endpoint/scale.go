package endpoint

import (
	"context"
	"net/http"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/apiserver/codec"
	"github.com/keelson-project/keelson/apiserver/registry"
)

var scaleKind = autoscalingv1.SchemeGroupVersion.WithKind("Scale")

func (h *Handler) getScale(w http.ResponseWriter, r *request) error {
	return h.scale(w, r, func(ctx context.Context) (*autoscalingv1.Scale, error) {
		opts := &metav1.GetOptions{}
		if err := parameters(r.Request, opts); err != nil {
			return nil, err
		}
		return r.resource.Scale(ctx, r.namespace, r.info.Name, opts)
	})
}

// scale answers with what do comes to.
func (h *Handler) scale(w http.ResponseWriter, r *request, do func(context.Context) (*autoscalingv1.Scale, error)) error {
	ctx, cancel := context.WithTimeout(r.Context(), writeTimeout)
	defer cancel()
	out, err := r.negotiate()
	if err != nil {
		return err
	}
	scale, err := do(ctx)
	if err != nil {
		return err
	}
	if out.As != nil {
		return h.transformed(w, r, tabled{scaleKind, scaleTables{custom: r.resource.IsUnstructured()}}, scale, []runtime.Object{scale}, out)
	}
	h.write(w, r.Request, http.StatusOK, scale, out)
	return nil
}

func (h *Handler) putScale(w http.ResponseWriter, r *request) error {
	return h.scale(w, r, func(ctx context.Context) (*autoscalingv1.Scale, error) {
		opts, err := updateOptions(r.Request)
		if err != nil {
			return nil, err
		}
		media, err := codec.Input(r.Request)
		if err != nil {
			return nil, err
		}
		data, err := body(r.Request)
		if err != nil {
			return nil, err
		}
		obj, err := h.decode(ctx, data, media, opts.FieldValidation, scaleKind, &autoscalingv1.Scale{})
		if err != nil {
			return nil, err
		}
		sent := obj.(*autoscalingv1.Scale)
		if err := h.checkScale(sent, r); err != nil {
			return nil, err
		}
		write := r.writeOf(opts.FieldManager, opts.DryRun, opts)
		return r.resource.UpdateScale(ctx, write, sent.UID, func(_ context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
			return h.trackScale(old, sent.DeepCopy(), write.Manager, r), nil
		})
	})
}

func (h *Handler) patchScale(w http.ResponseWriter, r *request) error {
	return h.scale(w, r, func(ctx context.Context) (*autoscalingv1.Scale, error) {
		p, err := h.newPatcher(r)
		if err != nil {
			return nil, err
		}
		write := r.writeOf(p.opts.FieldManager, p.opts.DryRun, asUpdateOptions(p.opts))
		return r.resource.UpdateScale(ctx, write, "", func(ctx context.Context, old *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
			return p.changeScale(ctx, old, write.Manager)
		})
	})
}

// changeScale makes the new state of a scale.
func (p *patcher) changeScale(ctx context.Context, old *autoscalingv1.Scale, manager string) (*autoscalingv1.Scale, error) {
	scale := &autoscalingv1.Scale{}
	var err error
	switch p.typ {
	case types.ApplyYAMLPatchType:
		return p.applyScale(ctx, old)
	case types.StrategicMergePatchType:
		err = p.strategic(ctx, old, scale, scale)
	default:
		doc, encErr := codec.Body(old, codec.JSON)
		if encErr != nil {
			return nil, apierrors.NewInternalError(encErr)
		}
		_, err = p.document(ctx, doc, scaleKind, scale, nil)
	}
	if err != nil {
		return nil, err
	}
	scale.SetGroupVersionKind(scaleKind)
	if err := p.h.checkScale(scale, p.r); err != nil {
		return nil, err
	}
	return p.h.trackScale(old, scale, manager, p.r), nil
}

func (h *Handler) checkScale(s *autoscalingv1.Scale, r *request) error {
	if err := r.resource.EnsureNamespace(s, r.namespace); err != nil {
		return err
	}
	return checkName(s, r)
}

// trackScale notes who owns the number of replicas.
func (h *Handler) trackScale(old, scale *autoscalingv1.Scale, manager string, r *request) *autoscalingv1.Scale {
	scale.SetGroupVersionKind(scaleKind)
	return registry.TrackScale(r.resource, old, scale, manager)
}
