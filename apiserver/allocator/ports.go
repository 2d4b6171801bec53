package allocator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/store"
)

// portsKey is where kube-apiserver keeps the same record.
const portsKey = "/registry/ranges/servicenodeports"

// protobufPrefix begins every stored object that is not JSON.
var protobufPrefix = []byte("k8s\x00")

var errTaken = errors.New("provided port is already allocated")

// ports takes node ports by setting bits in one RangeAllocation.
type ports struct {
	store store.Store
	r     PortRange
}

func newPorts(s store.Store, r PortRange) *ports { return &ports{store: s, r: r} }

// takePorts completes the service's node ports and takes those it did not have.
func (a *Allocator) takePorts(ctx context.Context, svc *corev1.Service, had []int32, dryRun kinds.DryRun) ([]int32, field.ErrorList) {
	if !needsPorts(svc) && !needsHealthPort(svc) && len(portsOf(svc)) == 0 {
		return nil, nil
	}
	var taken []int32
	var errs field.ErrorList
	// What update changes in the service is made anew in each try.
	before := svc.Spec.DeepCopy()
	err := a.ports.update(ctx, dryRun, func(used *big.Int) error {
		before.DeepCopyInto(&svc.Spec)
		taken, errs = nil, nil
		take := func(port int32) error {
			if slices.Contains(had, port) || slices.Contains(taken, port) {
				return nil // two protocols of a service may share a port
			}
			if !a.ports.r.contains(port) {
				return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %s", a.ports.r)
			}
			if used.Bit(int(port-int32(a.ports.r.First))) == 1 {
				return errTaken
			}
			a.ports.set(used, port, 1)
			taken = append(taken, port)
			return nil
		}
		path := field.NewPath("spec", "ports")
		given := map[int32]int32{} // service port to node port, shared by protocols
		for i := range svc.Spec.Ports {
			p := &svc.Spec.Ports[i]
			if p.NodePort == 0 || svc.Spec.Type == corev1.ServiceTypeClusterIP {
				continue
			}
			given[p.Port] = p.NodePort
			if err := take(p.NodePort); err != nil {
				errs = append(errs, field.Invalid(path.Index(i).Child("nodePort"), p.NodePort, err.Error()))
			}
		}
		if len(errs) == 0 && needsPorts(svc) {
			for i := range svc.Spec.Ports {
				p := &svc.Spec.Ports[i]
				if p.NodePort != 0 {
					continue
				}
				if port, ok := given[p.Port]; ok && !hasPort(svc, port, p.Protocol) {
					p.NodePort = port
					continue
				}
				port, err := a.ports.any(used)
				if err != nil {
					errs = append(errs, field.InternalError(path.Index(i).Child("nodePort"), fmt.Errorf("failed to allocate a nodePort: %w", err)))
					break
				}
				p.NodePort, given[p.Port] = port, port
				taken = append(taken, port)
			}
		}
		if len(errs) == 0 && needsHealthPort(svc) {
			path := field.NewPath("spec", "healthCheckNodePort")
			if svc.Spec.HealthCheckNodePort != 0 {
				if err := take(svc.Spec.HealthCheckNodePort); err != nil {
					errs = append(errs, field.Invalid(path, svc.Spec.HealthCheckNodePort, fmt.Sprintf("failed to allocate requested HealthCheck NodePort %d: %v", svc.Spec.HealthCheckNodePort, err)))
				}
			} else if port, err := a.ports.any(used); err != nil {
				errs = append(errs, field.InternalError(path, fmt.Errorf("failed to allocate a HealthCheck NodePort: %w", err)))
			} else {
				svc.Spec.HealthCheckNodePort = port
				taken = append(taken, port)
			}
		}
		return errs.ToAggregate()
	})
	if len(errs) > 0 {
		return nil, errs // nothing was written
	}
	if err != nil {
		return nil, field.ErrorList{field.InternalError(field.NewPath("spec", "ports"), err)}
	}
	return taken, nil
}

// hasPort reports whether a service has the node port for the protocol already.
func hasPort(svc *corev1.Service, port int32, protocol corev1.Protocol) bool {
	for i := range svc.Spec.Ports {
		if p := &svc.Spec.Ports[i]; p.NodePort == port && p.Protocol == protocol {
			return true
		}
	}
	return false
}

// release gives ports back. Failing that, the next Repair does.
func (p *ports) release(ctx context.Context, list []int32) {
	if len(list) == 0 {
		return
	}
	_ = p.update(ctx, false, func(used *big.Int) error {
		for _, port := range list {
			if p.r.contains(port) {
				p.set(used, port, 0)
			}
		}
		return nil
	})
}

func (p *ports) set(used *big.Int, port int32, bit uint) {
	used.SetBit(used, int(port-int32(p.r.First)), bit)
}

// any takes a free port, chosen at random.
func (p *ports) any(used *big.Int) (int32, error) {
	size := int32(p.r.Last) - int32(p.r.First) + 1
	start := rand.Int32N(size)
	for i := range size {
		n := (start + i) % size
		if used.Bit(int(n)) == 0 {
			used.SetBit(used, int(n), 1)
			return int32(p.r.First) + n, nil
		}
	}
	return 0, errors.New("range is full")
}

// update changes the record, again if another server was faster. Nothing is
// written for a dry run, or if change fails or changes nothing.
func (p *ports) update(ctx context.Context, dryRun kinds.DryRun, change func(used *big.Int) error) error {
	for {
		entry, err := p.store.Get(ctx, portsKey)
		missing := errors.Is(err, store.ErrNotFound)
		if err != nil && !missing {
			return fmt.Errorf("reading the record of node ports: %w", err)
		}
		record := &corev1.RangeAllocation{}
		if !missing {
			if record, err = decodeRange(entry.Value); err != nil {
				return err
			}
			if record.Range != p.r.String() {
				return fmt.Errorf("the record of node ports is for the range %s, this server's is %s: all servers of a cluster must have the same", record.Range, p.r)
			}
		}
		used := new(big.Int).SetBytes(record.Data)
		was := new(big.Int).Set(used)
		if err := change(used); err != nil {
			return err
		}
		if bool(dryRun) || !missing && used.Cmp(was) == 0 {
			return nil
		}
		record.Range, record.Data = p.r.String(), used.Bytes()
		value, err := encodeRange(record)
		if err != nil {
			return err
		}
		if missing {
			_, err = p.store.Create(ctx, portsKey, value, 0)
		} else {
			_, err = p.store.Update(ctx, portsKey, value, entry.ModRevision, 0)
		}
		if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("writing the record of node ports: %w", err)
		}
		return nil
	}
}

func encodeRange(record *corev1.RangeAllocation) ([]byte, error) {
	raw, err := record.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding the record of node ports: %w", err)
	}
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "RangeAllocation"}, Raw: raw}
	data, err := unknown.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding the record of node ports: %w", err)
	}
	return append(bytes.Clone(protobufPrefix), data...), nil
}

func decodeRange(value []byte) (*corev1.RangeAllocation, error) {
	data, ok := bytes.CutPrefix(value, protobufPrefix)
	if !ok {
		return nil, fmt.Errorf("%s is not in the storage encoding of Kubernetes", portsKey)
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(data); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", portsKey, err)
	}
	record := &corev1.RangeAllocation{}
	if err := record.Unmarshal(unknown.Raw); err != nil {
		return nil, fmt.Errorf("decoding %s: %w", portsKey, err)
	}
	return record, nil
}
