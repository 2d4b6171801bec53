// Package memory is a [store.Store] that lives in the process and dies with it.
//
// Every write publishes a new immutable state of a persistent ordered tree, so
// reads and lists never wait for a writer, however long they take. Writers are
// serialised; none ever waits for a reader or a watcher.
//
// # Memory
//
// Besides the present entries, the store keeps every later change since the
// last compaction, with the values it replaced, so that watches can start and
// lists can read in the past. [Store.Compact] frees all of that up to its
// revision at once. A program that has nobody to call it bounds the history
// with [WithHistory].
//
// A watcher that does not read costs one goroutine and no more than one batch
// beyond the history itself: it reads on when it is ready, and is told
// [store.ErrCompacted] if the history it had still to read is gone by then.
//
// # Goroutines and time
//
// A store without watches has no goroutine, and one timer at most, for the
// entries with a time to live. All waits are on channels, so a store made
// within a testing/synctest bubble works there, on the bubble's clock.
package memory
