// Package rbac decides requests by the roles and bindings of the API group
// rbac.authorization.k8s.io, and installs the roles every cluster has.
//
// An [Authorizer] finds the bindings of a user and its groups in the server's
// memory, where they are kept by their subjects. [Authorizer.Install] keeps
// users from giving others, or themselves, more than they have.
package rbac
