// Package netns runs code inside a Linux network namespace.
package netns
