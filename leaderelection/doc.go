// Package leaderelection lets one of several instances of a component work at
// a time, by a Lease in the API. It follows the rules of client-go's leader
// election, so that both kinds can stand against each other, and leaves no
// goroutine and no lease behind.
package leaderelection
