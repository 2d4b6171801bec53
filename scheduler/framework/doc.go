// Package framework is what scheduler plugins are written against: one small
// interface per extension point, the snapshot of nodes and pods they decide
// on, and the status they answer with.
//
// A plugin is a value that implements [Plugin] and any of the extension points:
// [PreEnqueuePlugin], [QueueSortPlugin], [PreFilterPlugin], [FilterPlugin],
// [PostFilterPlugin], [PreScorePlugin], [ScorePlugin], [ReservePlugin],
// [PermitPlugin], [PreBindPlugin], [BindPlugin], [PostBindPlugin]. It keeps
// nothing between pods; what it computes for one pod it puts in the
// [CycleState].
//
// Decisions are made by one goroutine that owns the [Snapshot]: events from
// the API are applied between two decisions, never during one, so plugins read
// it without locks and nothing is copied. The snapshot also counts pods by
// selector and by affinity term as they come and go ([Snapshot.Matching],
// [Snapshot.EachTerm]), which is why spreading and affinity do not have to
// walk over every pod of the cluster for each decision.
package framework
