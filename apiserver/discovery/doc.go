// Package discovery answers the questions which groups, versions and resources
// a server has: one document for each, as older clients ask, or all in one, as
// newer ones do.
package discovery
