// Package patch applies the kinds of patches that clients of the Kubernetes API
// send: JSON patches, JSON merge patches, strategic merge patches and applied
// configurations. It knows documents and Go types only; which object they
// belong to and who may change it is the registry's business.
package patch
