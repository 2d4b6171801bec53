// Package admission says how a server asks plugins about a write before it
// takes effect.
//
// A [Chain] is asked twice for each create, update, delete and connect: first
// its mutators, in order, which may change the object; later, when the object
// is final and valid, its validators, which may only refuse. The package holds
// no plugin; it imports no server either, so that plugins stay small. [Mutate]
// and [Validate] make one of a function.
package admission
