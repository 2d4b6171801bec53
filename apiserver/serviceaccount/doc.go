// Package serviceaccount issues and checks the tokens of service accounts:
// JWTs with the claims of kube-apiserver, bound to the account and, if asked
// for, to a pod, secret or node, and void as soon as that object is gone. An
// [Issuer] signs and serves the token subresource; an [Authenticator] is its
// counterpart for requests.
package serviceaccount
