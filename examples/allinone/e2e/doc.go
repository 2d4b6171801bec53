// Package e2e holds the end-to-end tests of examples/allinone: the program as
// a user builds and starts it, driven by its own kubectl, with real
// containers, inside namespaces of its own.
//
// They need root, and of Debian's packages runc, nftables, apache2-bin and
// busybox-static. KEELSON_BIN may name a directory with the programs allinone
// and keelson-shim; without it they are built first.
package e2e
