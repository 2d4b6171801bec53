// Command apiserver is the Kubernetes API alone: no controllers, no scheduler,
// no nodes.
//
//	apiserver -listen 127.0.0.1:6443 -kubeconfig FILE
//	apiserver -store embedded -data-dir /var/lib/keelson
//	apiserver -store http://10.0.0.1:2379,http://10.0.0.2:2379 -data-dir /etc/keelson
//
// By default everything is in memory and gone when it ends. It shows the least
// a program needs to serve the API, and starts in milliseconds.
package main
