// Package apiserver serves the Kubernetes API over a store.
//
// [New] puts a [Server] together from the kinds it stores and the plugins that
// say who may do what; it is an http.Handler, a client configuration for use in
// the same process ([Server.LoopbackConfig]), and, if given a listener, a
// server on the network. Nothing happens before [Server.Run].
//
//	srv, err := apiserver.New(apiserver.Config{Store: memory.New(), Kinds: builtin.Kinds()})
//	client, err := kubernetes.NewForConfig(srv.LoopbackConfig())
//	go srv.Run(ctx)
//
// A request takes one straight way: authenticate, whatever Plugins.Wrap adds,
// authorize, limit, decode, mutate, validate, store, encode. The verbs are in
// package registry, once for all kinds; what is particular to a kind is below
// kinds; reads are answered from package cache.
package apiserver
