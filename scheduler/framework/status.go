package framework

import (
	"errors"
	"strings"
)

// Code says what a plugin answered.
type Code int8

const (
	// Success lets the pod pass. A nil *Status means the same.
	Success Code = iota
	// Error is a failure of the plugin itself; the pod is retried after its back-off.
	Error
	// Unschedulable refuses a node (or the pod), and removing pods might change the answer.
	Unschedulable
	// UnschedulableAndUnresolvable refuses in a way that removing pods cannot change.
	UnschedulableAndUnresolvable
	// Wait, from a Permit plugin, delays binding.
	Wait
	// Skip, from PreFilter or PreScore, says the plugin's Filter or Score need not
	// be called for this pod; from Bind, that another plugin shall bind.
	Skip
)

// String returns the code's name.
func (c Code) String() string {
	names := [...]string{"Success", "Error", "Unschedulable", "UnschedulableAndUnresolvable", "Wait", "Skip"}
	if int(c) < len(names) {
		return names[c]
	}
	return "Unknown"
}

// Status is a plugin's answer. It never changes after it was made, so plugins
// may hand out the same one for many nodes. A nil *Status is Success.
type Status struct {
	code    Code
	reasons []string
	err     error
}

// NewStatus makes a status with the reasons users will read.
func NewStatus(code Code, reasons ...string) *Status {
	return &Status{code: code, reasons: reasons}
}

// AsStatus wraps an error; nil gives nil, that is Success.
func AsStatus(err error) *Status {
	if err == nil {
		return nil
	}
	return &Status{code: Error, reasons: []string{err.Error()}, err: err}
}

// Code returns the answer's kind.
func (s *Status) Code() Code {
	if s == nil {
		return Success
	}
	return s.code
}

// IsSuccess reports whether the pod may pass.
func (s *Status) IsSuccess() bool { return s.Code() == Success }

// IsSkip reports whether the plugin asked to be left out.
func (s *Status) IsSkip() bool { return s.Code() == Skip }

// IsRejected reports whether the pod or node was refused, resolvable or not.
func (s *Status) IsRejected() bool {
	c := s.Code()
	return c == Unschedulable || c == UnschedulableAndUnresolvable
}

// Reasons returns the reasons, which the caller must not change.
func (s *Status) Reasons() []string {
	if s == nil {
		return nil
	}
	return s.reasons
}

// Message joins the reasons.
func (s *Status) Message() string { return strings.Join(s.Reasons(), ", ") }

// Err returns nil for Success, the wrapped error if there is one, and
// otherwise an error with the message.
func (s *Status) Err() error {
	if s.IsSuccess() {
		return nil
	}
	if s.err != nil {
		return s.err
	}
	return errors.New(s.Message())
}
