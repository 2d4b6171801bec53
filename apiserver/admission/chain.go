package admission

import (
	"context"
	"slices"
)

// Chain asks its plugins in order; the first error ends it. Its methods may
// be called from many goroutines if those of its plugins may.
type Chain []Plugin

// Admit implements [Mutator].
func (c Chain) Admit(ctx context.Context, a *Attributes) error {
	if err := c.admit(ctx, a); err != nil || !a.askAgain {
		return err
	}
	a.Again = true
	return c.admit(ctx, a)
}

func (c Chain) admit(ctx context.Context, a *Attributes) error {
	for _, p := range c {
		if m, ok := p.(Mutator); ok && p.Handles(a.Operation) {
			if err := m.Admit(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Validate implements [Validator].
func (c Chain) Validate(ctx context.Context, a *Attributes) error {
	for _, p := range c {
		if v, ok := p.(Validator); ok && p.Handles(a.Operation) {
			if err := v.Validate(ctx, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// Index returns where the plugin with a name stands, or -1.
func (c Chain) Index(name string) int {
	return slices.IndexFunc(c, func(p Plugin) bool { return p.Name() == name })
}
