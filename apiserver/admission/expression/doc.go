// Package expression compiles the CEL expressions of admission policies and
// webhooks: once to check those of an object that is written, and with the same
// functions again to evaluate them.
//
// A [Compiler] belongs to one policy. Its variables are compiled first, in
// order, for an expression sees those compiled before it.
package expression
