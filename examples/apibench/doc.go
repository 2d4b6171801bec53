// Command apibench measures API servers side by side: Keelson's and any other
// that speaks the Kubernetes API.
//
//	apibench -server 'memory=apiserver -listen 127.0.0.1:0 -kubeconfig {dir}/kubeconfig' \
//	         -kubeconfig theirs=$HOME/.kube/config
//
// Each target is measured by the same requests, one target after the other:
// pods are created, given a status, read, listed in every encoding, watched by
// many and deleted, in a namespace of the benchmark's own that is removed at
// the end, also after an interrupt. The answers are read but not decoded, so
// that the figures are the server's and not the client's. What is printed is a
// table with a column per target, in Markdown.
//
// A target given by -server is a command that apibench runs itself, which adds
// the time until it is ready and until it has stopped, its memory and what it
// costs at rest, summed over all processes that the command starts (Linux
// only). {dir} stands for a directory that is new and removed at the end; the
// command writes the kubeconfig in it.
//
// On a target that does real work the scheduler would place thousands of pods
// that nobody can pull: measure control planes without nodes, or with -pods
// and -list small.
package main
