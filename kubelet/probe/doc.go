// Package probe tries the health checks that pods define: an HTTP request, a
// TCP connection, a gRPC health check. A try is one function call; when to try
// and what follows is the kubelet's affair.
package probe
