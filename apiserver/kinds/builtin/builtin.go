// Package builtin lists the kinds that come with the API server.
package builtin

import (
	"slices"

	"github.com/keelson-project/keelson/apiserver/kinds"
	"github.com/keelson-project/keelson/apiserver/kinds/admissionregistration"
	"github.com/keelson-project/keelson/apiserver/kinds/apiextensions"
	"github.com/keelson-project/keelson/apiserver/kinds/apiregistration"
	"github.com/keelson-project/keelson/apiserver/kinds/apps"
	"github.com/keelson-project/keelson/apiserver/kinds/autoscaling"
	"github.com/keelson-project/keelson/apiserver/kinds/batch"
	"github.com/keelson-project/keelson/apiserver/kinds/certificates"
	"github.com/keelson-project/keelson/apiserver/kinds/coordination"
	"github.com/keelson-project/keelson/apiserver/kinds/core"
	"github.com/keelson-project/keelson/apiserver/kinds/discovery"
	"github.com/keelson-project/keelson/apiserver/kinds/flowcontrol"
	"github.com/keelson-project/keelson/apiserver/kinds/networking"
	"github.com/keelson-project/keelson/apiserver/kinds/node"
	"github.com/keelson-project/keelson/apiserver/kinds/policy"
	"github.com/keelson-project/keelson/apiserver/kinds/rbac"
	"github.com/keelson-project/keelson/apiserver/kinds/resource"
	"github.com/keelson-project/keelson/apiserver/kinds/scheduling"
	"github.com/keelson-project/keelson/apiserver/kinds/storage"
	"github.com/keelson-project/keelson/apiserver/kinds/storagemigration"
)

// Kinds returns all of them, core/v1 first. Every call makes new ones, so that
// a server may complete its own, with the Begin of services for instance.
func Kinds() []*kinds.Kind {
	return slices.Concat(
		core.Kinds(), apps.Kinds(), batch.Kinds(), autoscaling.Kinds(), policy.Kinds(), discovery.Kinds(), coordination.Kinds(),
		networking.Kinds(), rbac.Kinds(), storage.Kinds(), scheduling.Kinds(), node.Kinds(), certificates.Kinds(),
		admissionregistration.Kinds(), flowcontrol.Kinds(), storagemigration.Kinds(), apiextensions.Kinds(), apiregistration.Kinds(),
		resource.Kinds(),
	)
}
