// Package storetest is the behaviour suite of [store.Store]: what the comments
// of the contract promise, as tests.
//
// An implementation calls [Run] from a test of its own:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, func(t *testing.T) store.Store { return mine.New() })
//	}
//
// The suite takes a few seconds, most of which it waits for entries to expire;
// it never sleeps to let something settle.
package storetest
