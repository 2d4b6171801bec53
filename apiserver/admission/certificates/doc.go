// Package certificates has the steps that keep certificates from being
// approved, signed or trusted by those who may not: each signer name is a
// resource "signers" of the group certificates.k8s.io that a role gives the
// verbs approve, sign and attest on, by name or by "domain/*".
package certificates
