// Package debian makes images out of what Debian packages have installed on
// this machine, so that tests run real programs with no registry in reach.
package debian
