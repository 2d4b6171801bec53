package volumebinding

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"

	"github.com/keelson-project/keelson/scheduler/framework"
)

// bindTimeout is how long a claim may take to be bound.
const bindTimeout = 10 * time.Minute

// Reserve implements framework.ReservePlugin: it settles what becomes of each waiting claim.
func (Plugin) Reserve(_ context.Context, cs *framework.CycleState, node string) *framework.Status {
	s := framework.Read[*state](cs, name)
	if s == nil || len(s.waiting) == 0 {
		return nil
	}
	n := cs.Snapshot.Node(node)
	choices, ok := s.choose(n.Node)
	if !ok {
		return noVolume
	}
	cs.Write(name+"/choices", choiceState(choices))
	cs.SlowBind = true
	return nil
}

// Unreserve implements framework.ReservePlugin. Nothing is held outside the API.
func (Plugin) Unreserve(context.Context, *framework.CycleState, string) {}

type choiceState []choice

// Clone implements framework.StateData.
func (c choiceState) Clone() framework.StateData { return c }

// PreBind implements framework.PreBindPlugin: it carries the choices out and waits until every claim is bound.
func (Plugin) PreBind(ctx context.Context, cs *framework.CycleState, node string) *framework.Status {
	choices := framework.Read[choiceState](cs, name+"/choices")
	if len(choices) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	for i := range choices {
		if err := choices[i].start(ctx, cs.Cluster, node); err != nil {
			return framework.AsStatus(fmt.Errorf("binding volumes: %w", err))
		}
	}
	for i := range choices {
		if err := await(ctx, cs.Cluster, choices[i].claim); err != nil {
			return framework.AsStatus(fmt.Errorf("binding volumes: %w", err))
		}
	}
	return nil
}

// start tells the volume controller, or the provisioner, what to do.
func (c *choice) start(ctx context.Context, cluster *framework.Cluster, node string) error {
	if c.volume == nil {
		patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
			"uid": c.claim.UID, "annotations": map[string]string{selectedNode: node},
		}})
		if err != nil {
			return err
		}
		_, err = cluster.Client.CoreV1().PersistentVolumeClaims(c.claim.Namespace).
			Patch(ctx, c.claim.Name, types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	pv := c.volume.DeepCopy()
	pv.Spec.ClaimRef = &corev1.ObjectReference{
		APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: c.claim.Namespace, Name: c.claim.Name,
		UID: c.claim.UID, ResourceVersion: c.claim.ResourceVersion,
	}
	metav1.SetMetaDataAnnotation(&pv.ObjectMeta, boundByUs, "yes")
	_, err := cluster.Client.CoreV1().PersistentVolumes().Update(ctx, pv, metav1.UpdateOptions{})
	return err
}

// await watches a claim until it is bound.
func await(ctx context.Context, cluster *framework.Cluster, claim *corev1.PersistentVolumeClaim) error {
	client := cluster.Client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	for {
		w, err := client.Watch(ctx, metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", claim.Name).String()})
		if err != nil {
			return fmt.Errorf("waiting for claim %s/%s: %w", claim.Namespace, claim.Name, err)
		}
		done, err := func() (bool, error) {
			defer w.Stop()
			now, err := client.Get(ctx, claim.Name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			for !isBound(now) {
				select {
				case <-ctx.Done():
					return false, ctx.Err()
				case e, open := <-w.ResultChan():
					if !open {
						return false, nil
					}
					seen, ok := e.Object.(*corev1.PersistentVolumeClaim)
					if !ok || seen.Name != claim.Name {
						continue
					}
					if seen.UID != claim.UID || seen.DeletionTimestamp != nil {
						return false, fmt.Errorf("the claim was deleted")
					}
					now = seen
				}
			}
			return true, nil
		}()
		if err != nil {
			return fmt.Errorf("waiting for claim %s/%s: %w", claim.Namespace, claim.Name, err)
		}
		if done {
			return nil
		}
	}
}
