// Package controller runs control loops against a Kubernetes API server: those of this
// repository, each in a package of its own below this one, and any others that
// implement [Controller].
//
//	m, err := controller.NewManager(controller.Config{Client: client, Metadata: metadataClient})
//	if err != nil {
//		return err
//	}
//	return m.Run(ctx)
//
// A manager shares one set of informers among its controllers, gives each its own work
// queue, and elects a leader among managers if asked to. It works against any
// conformant API server, keeps no state outside its value, and leaves nothing behind
// when Run returns: thousands may run in a process, and each runs in a
// testing/synctest bubble.
package controller
