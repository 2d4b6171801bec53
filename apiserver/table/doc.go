// Package table makes Tables of objects, the form in which command-line clients
// list them: the columns and cells are the kind's, the rest is written straight
// from encoded bytes.
package table
