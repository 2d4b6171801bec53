package nodelifecycle

import (
	"time"

	corev1 "k8s.io/api/core/v1"
)

// excludeLabel keeps a node out of what is concluded about its zone.
const excludeLabel = "node.kubernetes.io/exclude-disruption"

// zoneOf is the node's region and zone.
func zoneOf(node *corev1.Node) string {
	first := func(keys ...string) string {
		for _, key := range keys {
			if value := node.Labels[key]; value != "" {
				return value
			}
		}
		return ""
	}
	return first(corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaRegion) + "/" +
		first(corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone)
}

// zone is the state of the nodes of one zone.
type zone struct{ ready, notReady int }

func (z zone) isDown() bool { return z.ready == 0 && z.notReady > 0 }

func (z zone) isDisrupted(threshold float64) bool {
	return z.notReady > 2 && float64(z.notReady)/float64(z.notReady+z.ready) >= threshold
}

// zonesOf counts ready nodes by zone.
func zonesOf(nodes []*corev1.Node) map[string]zone {
	zones := make(map[string]zone)
	for _, node := range nodes {
		if _, excluded := node.Labels[excludeLabel]; excluded {
			continue
		}
		z := zones[zoneOf(node)]
		if readiness(node) == corev1.ConditionTrue {
			z.ready++
		} else {
			z.notReady++
		}
		zones[zoneOf(node)] = z
	}
	return zones
}

// interval is the time between two nodes of a zone from which pods are driven off, and
// whether it may be done at all.
func (c Controller) interval(zones map[string]zone, name string) (time.Duration, eviction) {
	allDown := len(zones) > 0
	for _, z := range zones {
		allDown = allDown && z.isDown()
	}
	switch z := zones[name]; {
	case allDown:
		return 0, evictNever // nobody is heard of: it is we who are cut off
	case z.isDown() || !z.isDisrupted(c.UnhealthyZoneThreshold):
		return c.EvictionInterval, evictAllow
	case z.ready+z.notReady > c.LargeZone:
		return c.SlowEvictionInterval, evictAllow
	default:
		return 0, evictHold
	}
}
