// Package certs makes the certificates of a cluster: authorities, serving
// certificates that renew themselves, client certificates, and the key that
// signs service account tokens. An [Authority] lives in memory; [Open] keeps
// one in a directory, readable by its owner alone.
package certs
