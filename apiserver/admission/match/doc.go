// Package match decides which writes the rules of admission policies and
// webhooks are about.
package match
