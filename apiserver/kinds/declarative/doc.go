// Package declarative is the root of generated validation: one package for
// each API group and version, with a function Validate_X for each type X whose
// comments in k8s.io/api say rules (tags that begin with "+k8s:"). The kinds
// name them as their Rules; rules that no tag can say stand beside the kinds.
//
// The files zz_generated.validations.go are made by validation-gen of
// k8s.io/code-generator, in the version of k8s.io/api, and never edited: run
// "make generate" after that version changes. A new group needs a folder with
// the two marker lines that the others have in their doc.go. Left out are
// groups whose rules are all of the alpha stage, which is not enforced, and
// scheduling/v1alpha3, of which k8s.io/api has the generated code. A kind names
// no Rules where all that concern it are of the alpha stage, or about fields of
// features that are off.
//
// Where a rule refuses a field as a whole (it is immutable, say), those about
// parts of it are not asked; a kind that has to report them too does so by hand.
package declarative
