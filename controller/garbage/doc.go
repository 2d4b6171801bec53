// Package garbage collects objects whose owners are gone, and carries out cascading
// deletion: background, foreground and orphaning.
//
// It watches the metadata of every kind that can be listed, watched and deleted, and
// keeps a graph of who owns whom. graph.go is the graph and says, after each change,
// which objects deserve a look; decide.go says what to do with one; both do no I/O.
// act.go carries decisions out, and asks the API server about owners that the graph
// does not know. Every write carries the object's UID and revision, so that a graph
// that lags behind can do no harm.
package garbage
