// Package authn finds out who sent a request: by client certificate, bearer
// token or neither. Each way is an authenticator.Request or Token of its own
// (interfaces of k8s.io/apiserver); [New] puts the usual ones in order. Service
// account tokens are the work of package serviceaccount.
package authn
