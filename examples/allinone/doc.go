// Command allinone is a whole Kubernetes cluster in one process: embedded
// etcd, the API server, controllers, the scheduler, a kubelet over embedded
// containerd, a bridge network, the service proxy, and CoreDNS in a pod that
// runs this same binary.
//
//	allinone                     start the cluster in the foreground
//	allinone kubectl ARG…        a kubectl for it
//	allinone image import FILE…  load image archives (OCI or docker save)
//	allinone image ls            list the images on the node
//	allinone coredns             what the CoreDNS pod runs
//
// It is meant to be copied from: package cluster does the wiring, the files
// here only open what it is wired to.
package main
