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
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
func (a *Allocator) takePorts(ctx context.Context, svc, old *corev1.Service, dryRun kinds.DryRun) (taken []int32, err error) {
	if !hasPorts(svc) {
		return nil, nil
	}
	// What update changes in the service is made anew in each try.
	before := svc.Spec.DeepCopy()
	err = a.ports.update(ctx, dryRun, func(used *big.Int) error {
		before.DeepCopyInto(&svc.Spec)
		taking := &taking{ports: a.ports, used: used, dryRun: dryRun}
		fill := taking.fillNew
		if old != nil {
			fill = func(svc *corev1.Service) error { return taking.fillChanged(svc, old) }
		}
		if err := fill(svc); err != nil {
			return err
		}
		if needsHealthPort(svc) && (old == nil || !needsHealthPort(old)) {
			if err := taking.health(svc); err != nil {
				return err
			}
		}
		taken = taking.taken
		return nil
	})
	if err == nil || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return taken, err
	}
	return nil, apierrors.NewInternalError(err)
}

// taking is what one service takes of the node ports.
type taking struct {
	ports  *ports
	used   *big.Int
	dryRun kinds.DryRun
	taken  []int32
}

// fillNew gives node ports to a new service. Entries of one port, for several
// protocols, share a node port.
func (t *taking) fillNew(svc *corev1.Service) error {
	shared := map[int32]int32{}
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		if p.NodePort == 0 && !givesPorts(svc) {
			continue
		}
		had := shared[p.Port]
		switch named := nodePortOf(svc.Spec.Ports[i:], p.Port); {
		case had != 0 && (p.NodePort == 0 || p.NodePort == had):
			p.NodePort = had
		case had != 0:
			if err := t.take(svc, i, p.NodePort); err != nil {
				return err
			}
		case named != 0:
			if err := t.take(svc, i, named); err != nil {
				return err
			}
			p.NodePort, shared[p.Port] = named, named
		default:
			if err := t.takeAny(p); err != nil {
				return err
			}
			shared[p.Port] = p.NodePort
		}
	}
	return nil
}

// nodePortOf is the node port that one of the entries of a port names.
func nodePortOf(list []corev1.ServicePort, port int32) int32 {
	for i := range list {
		if list[i].Port == port && list[i].NodePort != 0 {
			return list[i].NodePort
		}
	}
	return 0
}

// fillChanged gives node ports to a service that has some.
func (t *taking) fillChanged(svc, old *corev1.Service) error {
	var had []int32
	for i := range old.Spec.Ports {
		had = append(had, old.Spec.Ports[i].NodePort)
	}
	for i := range svc.Spec.Ports {
		p := &svc.Spec.Ports[i]
		if p.NodePort == 0 && givesPorts(svc) {
			if err := t.takeAny(p); err != nil {
				return err
			}
		} else if p.NodePort != 0 && !slices.Contains(had, p.NodePort) && !slices.Contains(t.taken, p.NodePort) {
			if err := t.take(svc, i, p.NodePort); err != nil {
				return err
			}
		}
	}
	return nil
}

// health gives a service the port that tells whether a node has endpoints.
func (t *taking) health(svc *corev1.Service) error {
	port := svc.Spec.HealthCheckNodePort
	if port == 0 {
		var err error
		if svc.Spec.HealthCheckNodePort, err = t.any(); err != nil {
			return fmt.Errorf("failed to allocate a HealthCheck NodePort: %w", err)
		}
		return nil
	}
	if err := t.one(port); err != nil {
		return invalid(svc, field.ErrorList{field.Invalid(field.NewPath("spec", "healthCheckNodePort"), port, fmt.Sprintf("failed to allocate requested HealthCheck NodePort %d: %v", port, err))})
	}
	return nil
}

// take takes the node port of an entry.
func (t *taking) take(svc *corev1.Service, entry int, port int32) error {
	if err := t.one(port); err != nil {
		return invalid(svc, field.ErrorList{field.Invalid(field.NewPath("spec", "ports").Index(entry).Child("nodePort"), port, err.Error())})
	}
	return nil
}

func (t *taking) takeAny(p *corev1.ServicePort) (err error) {
	if p.NodePort, err = t.any(); err != nil {
		return fmt.Errorf("failed to allocate a nodePort: %w", err)
	}
	return nil
}

// one takes a port. A dry run takes any that is not used, in the range or not.
func (t *taking) one(port int32) error {
	in := t.ports.r.contains(port)
	switch {
	case !in && !bool(t.dryRun):
		return fmt.Errorf("provided port is not in the valid range. The range of valid ports is %s", t.ports.r)
	case in && t.used.Bit(int(port-int32(t.ports.r.First))) == 1 || slices.Contains(t.taken, port):
		return errTaken
	case in:
		t.ports.set(t.used, port, 1)
	}
	t.taken = append(t.taken, port)
	return nil
}

// any takes a free port; for a dry run one that is not for nodes.
func (t *taking) any() (port int32, err error) {
	if t.dryRun {
		const outside = 32768
		port = outside + 1
		if len(t.taken) > 0 {
			port = max(0, slices.Max(t.taken)) + 1
		}
	} else if port, err = t.ports.any(t.used); err != nil {
		return 0, err
	}
	t.taken = append(t.taken, port)
	return port, nil
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
	return 0, errFull
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
