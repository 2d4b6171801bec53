package resource

import (
	"slices"

	resourcev1 "k8s.io/api/resource/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/keelson-project/keelson/apiserver/kinds/podspec"
)

// deviceID tells devices apart, and the shares of one.
type deviceID struct{ Driver, Pool, Device, ShareID string }

func idOf(r *resourcev1.DeviceRequestAllocationResult) deviceID {
	id := deviceID{Driver: r.Driver, Pool: r.Pool, Device: r.Device}
	if r.ShareID != nil {
		id.ShareID = string(*r.ShareID)
	}
	return id
}

func statusID(d *resourcev1.AllocatedDeviceStatus) deviceID {
	id := deviceID{Driver: d.Driver, Pool: d.Pool, Device: d.Device}
	if d.ShareID != nil {
		id.ShareID = *d.ShareID
	}
	return id
}

// allocated are the devices that an allocation gives.
func allocated(a *resourcev1.AllocationResult) map[deviceID]bool {
	if a == nil {
		return nil
	}
	ids := make(map[deviceID]bool, len(a.Devices.Results))
	for i := range a.Devices.Results {
		ids[idOf(&a.Devices.Results[i])] = true
	}
	return ids
}

func validateStatus(c, old *resourcev1.ResourceClaim) field.ErrorList {
	e := &claimErrors{requests: c.Spec.Devices.Requests}
	p, s := field.NewPath("status"), &c.Status
	at := p.Child("reservedFor")
	if len(s.ReservedFor) <= resourcev1.ResourceClaimReservedForMaxSize {
		for i, user := range s.ReservedFor {
			e.NotEmpty(at.Index(i).Child("resource"), user.Resource)
			e.NotEmpty(at.Index(i).Child("name"), user.Name)
			e.NotEmpty(at.Index(i).Child("uid"), string(user.UID))
		}
	}
	given := allocated(s.Allocation)
	for i := range s.Devices {
		e.device(p.Child("devices").Index(i), &s.Devices[i], given)
	}
	switch {
	case len(s.ReservedFor) == 0:
	case s.Allocation == nil:
		e.Forbidden(at, "may not be specified when `allocated` is not set")
	case c.DeletionTimestamp != nil && slices.ContainsFunc(s.ReservedFor, func(user resourcev1.ResourceClaimConsumerReference) bool {
		return !slices.Contains(old.Status.ReservedFor, user)
	}):
		e.Forbidden(at, "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set")
	}
	// An allocation stays as it is until it is given back.
	if s.Allocation != nil && old.Status.Allocation == nil {
		e.allocation(p.Child("allocation"), s.Allocation)
	}
	return e.List
}

// device checks what a driver says of an allocated device.
func (e *claimErrors) device(p *field.Path, d *resourcev1.AllocatedDeviceStatus, given map[deviceID]bool) {
	podspec.CSIDriverName(&e.Errors, p.Child("driver"), d.Driver)
	poolName(&e.Errors, p.Child("pool"), d.Pool)
	e.DNSLabel(p.Child("device"), d.Device)
	if id := statusID(d); !given[id] {
		e.Invalid(p, id, "must be an allocated device in the claim")
	}
	at := p.Child("conditions")
	if most := resourcev1.AllocatedDeviceStatusMaxConditions; len(d.Conditions) > most {
		e.Add(field.TooMany(at, len(d.Conditions), most))
	}
	e.Add(metavalidation.ValidateConditions(d.Conditions, at)...)
	if d.Data != nil && len(d.Data.Raw) > 0 {
		object(&e.Errors, p.Child("data"), *d.Data, resourcev1.AllocatedDeviceStatusDataMaxLength, fresh)
	}
	if n := d.NetworkData; n != nil && len(n.IPs) <= resourcev1.NetworkDeviceDataMaxIPs {
		for i, ip := range n.IPs {
			e.Add(validation.IsValidInterfaceAddress(p.Child("networkData", "ips").Index(i), ip)...)
		}
	}
}

func (e *claimErrors) allocation(p *field.Path, a *resourcev1.AllocationResult) {
	d, at := &a.Devices, p.Child("devices")
	if len(d.Results) <= resourcev1.AllocationResultsMaxSize {
		for i := range d.Results {
			r, p := &d.Results[i], at.Child("results").Index(i)
			e.reference(p.Child("request"), r.Request)
			e.DNSLabel(p.Child("device"), r.Device)
			binding(&e.Errors, p, r.BindingConditions, r.BindingFailureConditions)
			tolerations(&e.Errors, p.Child("tolerations"), r.Tolerations)
		}
	}
	if len(d.Config) <= 2*resourcev1.DeviceConfigMaxSize { // of the class and of the claim
		for i := range d.Config {
			c, p := &d.Config[i], at.Child("config").Index(i)
			e.references(p.Child("requests"), c.Requests)
			configuration(&e.Errors, p, &c.DeviceConfiguration, fresh)
		}
	}
	if a.NodeSelector != nil {
		podspec.NodeSelector(&e.Errors, p.Child("nodeSelector"), a.NodeSelector)
	}
}
