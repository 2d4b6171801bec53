package standard

// checks are the health checks that kube-apiserver has besides those of every
// server, under its names. They ask for the part of this server that does the
// work: settled for what is made once for a new cluster, read for the roles and
// bindings, flows for flow control's objects, registered for the APIServices; the
// rest is there when requests are answered.
func checks(settled, flows, registered func() error) map[string]func() error {
	all := map[string]func() error{
		"poststarthook/rbac/bootstrap-roles":                  settled,
		"poststarthook/priority-and-fairness-config-producer": flows,
	}
	for _, name := range []string{
		"scheduling/bootstrap-system-priority-classes", "start-service-ip-repair-controllers", "start-kubernetes-service-cidr-controller",
		"start-legacy-token-tracking-controller", "start-cluster-authentication-info-controller",
	} {
		all["poststarthook/"+name] = settled
	}
	for _, name := range []string{
		"start-apiserver-admission-initializer", "priority-and-fairness-config-consumer", "priority-and-fairness-filter",
		"start-apiextensions-informers", "start-apiextensions-controllers", "crd-informer-synced",
		"peer-endpoint-reconciler-controller", "start-kube-apiserver-identity-lease-controller", "start-kube-apiserver-identity-lease-garbage-collector",
		"start-kube-aggregator-informers", "apiservice-status-local-available-controller", "apiservice-status-remote-available-controller",
		"apiservice-registration-controller", "apiservice-discovery-controller", "kube-apiserver-autoregistration",
		"apiservice-openapi-controller", "apiservice-openapiv3-controller",
	} {
		all["poststarthook/"+name] = nil
	}
	all["autoregister-completion"] = registered
	return all
}
