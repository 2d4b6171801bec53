// Package scheduler finds a node for every pod that has none.
//
// A [Scheduler] watches pods and nodes through the API, decides for one pod at
// a time and binds many at once. What it decides by are plugins: values that
// implement the extension points of scheduler/framework, [DefaultPlugins] being
// those of kube-scheduler in 1.37. The decision itself, free of any input and
// output, is in scheduler/profile; pods wait in scheduler/queue.
//
//	s, err := scheduler.New(scheduler.Config{Client: client})
//	if err != nil { … }
//	err = s.Run(ctx) // until ctx ends
//
// It serves any Kubernetes API server.
package scheduler
