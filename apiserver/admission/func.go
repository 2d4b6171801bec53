package admission

import (
	"context"
	"slices"
)

// A Func is what a plugin of your own has to say about one write. It may
// refuse it with an error, as [Mutator] says.
type Func func(ctx context.Context, a *Attributes) error

// Mutate makes a plugin of a function that may change the object of a write.
// It is asked about the operations named, without any about create and update.
func Mutate(name string, f Func, ops ...Operation) Plugin {
	return mutating{step{name, f, orWrites(ops)}}
}

// Validate is Mutate for a function that only refuses, and sees the object as
// it is going to be stored.
func Validate(name string, f Func, ops ...Operation) Plugin {
	return validating{step{name, f, orWrites(ops)}}
}

func orWrites(ops []Operation) []Operation {
	if len(ops) == 0 {
		return []Operation{Create, Update}
	}
	return ops
}

// step is a plugin made of a function.
type step struct {
	name string
	f    Func
	ops  []Operation
}

func (s step) Name() string              { return s.name }
func (s step) Handles(op Operation) bool { return slices.Contains(s.ops, op) }

type mutating struct{ step }

func (m mutating) Admit(ctx context.Context, a *Attributes) error { return m.f(ctx, a) }

type validating struct{ step }

func (v validating) Validate(ctx context.Context, a *Attributes) error { return v.f(ctx, a) }
