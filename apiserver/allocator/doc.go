// Package allocator gives Services their cluster IPs and node ports.
//
// A cluster IP is taken by creating the IPAddress object of that name, in a
// range named by a ServiceCIDR object; a node port by setting its bit in one
// record of the store. Both are how kube-apiserver does it, so servers that
// share a store never give out the same twice.
package allocator
