// Package connect joins clients of the API server with what runs on nodes:
// container logs, exec, attach and port forwarding by way of the kubelet, and
// HTTP proxying to pods, services and nodes.
//
// It copies bytes: upgraded connections (SPDY or WebSocket) pass through
// unseen, in both directions and without buffering.
package connect
