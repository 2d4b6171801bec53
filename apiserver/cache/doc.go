// Package cache keeps the newest state of every resource of a server in
// memory, and the events that led to it.
//
// One list and one watch of the store feed a [Cache]. For each [Resource] it
// publishes immutable [Snapshot]s, which readers use without locks, and a chain
// of [Event]s, along which each [Watcher] walks at its own pace. Both are made
// of [Item]s: one revision of one object, decoded at most once and encoded at
// most once per form. A writer announces what it is about to write (see
// [Resource.Begin]), so that its own object comes back from the store's watch
// without being decoded.
//
// Nothing handed out may be changed. Readers that must see all earlier writes
// call [Cache.Fresh] first.
package cache
