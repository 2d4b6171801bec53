// Package rbac decides requests by the roles and bindings of the API group
// rbac.authorization.k8s.io, and installs the roles every cluster has.
//
// An [Authorizer] follows the four kinds through informers and keeps, for each
// user, group and service account, the rules that bind it. Members of
// system:masters may do anything, roles or none, as with kube-apiserver.
package rbac
