// Package webhooks asks the admission webhooks of a cluster about its writes:
// the steps MutatingAdmissionWebhook and ValidatingAdmissionWebhook.
//
// Configurations are read from memory with every write, so they count from the
// moment that they have been written. They are asked in the order of their
// names, mutating webhooks one after the other, validating ones all at once.
package webhooks
