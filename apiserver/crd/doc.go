// Package crd serves custom resources: the kinds that CustomResourceDefinitions
// in the store define.
//
// A [Controller] follows the definitions. It accepts their names, serves each
// version as a kind of the registry, says so in the definition's conditions,
// and deletes the objects of a definition that is deleted. It waits for nothing
// but events: a new definition is established in milliseconds.
//
// What is particular to a version (its schema, rules, columns) is compiled when
// it is first needed and then shared by all requests. Objects lie in memory as
// they are stored; each version shows them as it would have them, converted by
// the definition's webhook if it names one.
package crd
