// Package reconcile is what every controller is built on: the contract between a
// controller and the manager that runs it ([Controller], [Runner], [Shared]), the
// work queue with its workers ([Loop]), informer handlers ([Handle]) and the event
// recorder.
//
// A controller is a value with a name and a New that registers on shared informers
// and starts nothing:
//
//	type Controller struct{}
//
//	func (Controller) Name() string { return "labeller" }
//
//	func (Controller) New(s *reconcile.Shared) (reconcile.Runner, error) {
//		loop := reconcile.NewLoop(s, "labeller", reconcileOne)
//		err := reconcile.Handle(s, s.Informers.Core().V1().Pods().Informer(), func(_, pod *corev1.Pod) {
//			if pod != nil {
//				loop.Add(reconcile.KeyOf(pod))
//			}
//		})
//		return loop, err
//	}
//
// Nothing here polls: an idle loop holds no goroutine and no timer.
package reconcile
