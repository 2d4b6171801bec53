// Package aggregation keeps the register of who serves which version of the
// API: the APIServices.
//
// A [Keeper] makes an APIService for every version that its own server serves
// and, once that is over, removes it; it leaves alone what people register. It
// also says of each whether it is available. Versions that are registered to
// another server are answered with 503: requests are not forwarded yet.
package aggregation
