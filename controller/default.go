package controller

import (
	"github.com/keelson-project/keelson/controller/clusterrole"
	"github.com/keelson-project/keelson/controller/cronjob"
	"github.com/keelson-project/keelson/controller/daemonset"
	"github.com/keelson-project/keelson/controller/deployment"
	"github.com/keelson-project/keelson/controller/disruption"
	"github.com/keelson-project/keelson/controller/endpoints"
	"github.com/keelson-project/keelson/controller/endpointslice"
	"github.com/keelson-project/keelson/controller/garbage"
	"github.com/keelson-project/keelson/controller/job"
	"github.com/keelson-project/keelson/controller/namespace"
	"github.com/keelson-project/keelson/controller/nodeipam"
	"github.com/keelson-project/keelson/controller/nodelifecycle"
	"github.com/keelson-project/keelson/controller/podgc"
	"github.com/keelson-project/keelson/controller/replicaset"
	"github.com/keelson-project/keelson/controller/resourcequota"
	"github.com/keelson-project/keelson/controller/rootca"
	"github.com/keelson-project/keelson/controller/serviceaccount"
	"github.com/keelson-project/keelson/controller/statefulset"
	"github.com/keelson-project/keelson/controller/storageprotection"
	"github.com/keelson-project/keelson/controller/tainteviction"
	"github.com/keelson-project/keelson/controller/ttlafterfinished"
)

// Default returns the controllers that every cluster needs and that need no settings.
// The slice is the caller's.
func Default() []Controller {
	return []Controller{
		clusterrole.Controller{},
		cronjob.Controller{},
		daemonset.Controller{},
		deployment.Controller{},
		disruption.Controller{},
		endpoints.Controller{},
		endpointslice.Controller{},
		garbage.Controller{},
		job.Controller{},
		namespace.Controller{},
		nodelifecycle.Controller{},
		podgc.Controller{},
		replicaset.Controller{},
		replicaset.Replication{},
		resourcequota.Controller{},
		serviceaccount.Controller{},
		statefulset.Controller{},
		storageprotection.Controller{},
		tainteviction.Controller{},
		ttlafterfinished.Controller{},
	}
}

// configured returns the controllers that settings in c ask for.
func configured(c Config) []Controller {
	var more []Controller
	if len(c.RootCA) > 0 {
		more = append(more, rootca.Controller{CA: c.RootCA})
	}
	if len(c.ClusterCIDRs) > 0 {
		more = append(more, nodeipam.Controller{ClusterCIDRs: c.ClusterCIDRs})
	}
	return more
}
