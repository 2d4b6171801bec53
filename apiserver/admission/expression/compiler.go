package expression

import (
	"fmt"
	"sync"

	celtypes "github.com/google/cel-go/cel"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// Use is what an expression is for: it says what the expression may come to
// and what it sees besides the object, the request and the namespace.
type Use int

// The uses. All but messages see the authorizer, and all see the parameters if
// the policy has a paramKind.
const (
	// MatchCondition is true or false and sees no variables.
	MatchCondition Use = iota
	// Variable may come to anything.
	Variable
	// Validation is true or false.
	Validation
	// Message is a text.
	Message
	// AuditAnnotation is a text, or null for none.
	AuditAnnotation
	// ApplyConfiguration is an Object.
	ApplyConfiguration
	// JSONPatch is a list of JSONPatch.
	JSONPatch
)

// returns are the types that an expression may have.
func (u Use) returns() []*celtypes.Type {
	switch u {
	case Variable:
		return []*celtypes.Type{celtypes.AnyType, celtypes.DynType}
	case Message:
		return []*celtypes.Type{celtypes.StringType}
	case AuditAnnotation:
		return []*celtypes.Type{celtypes.StringType, celtypes.NullType}
	case ApplyConfiguration:
		return []*celtypes.Type{celtypes.ObjectType("Object")}
	case JSONPatch:
		return []*celtypes.Type{celtypes.ListType(celtypes.ObjectType("JSONPatch"))}
	}
	return []*celtypes.Type{celtypes.BoolType}
}

// source is an expression as the library takes it.
type source struct {
	use        Use
	name, text string
}

// GetExpression implements cel.ExpressionAccessor.
func (s *source) GetExpression() string { return s.text }

// ReturnTypes implements cel.ExpressionAccessor.
func (s *source) ReturnTypes() []*celtypes.Type { return s.use.returns() }

// GetName implements cel.NamedExpressionAccessor.
func (s *source) GetName() string { return s.name }

// Age says whether an expression is new or has been stored before. Stored ones
// may use functions that servers one version older do not know yet.
type Age = environment.Type

// The ages.
const (
	New    Age = environment.NewExpressions
	Stored Age = environment.StoredExpressions
)

// Config is what a Compiler is made of.
type Config struct {
	// Params says whether the policy has a paramKind.
	Params bool
	// Variables says whether expressions may name variables.
	Variables bool
}

// Compiler compiles the expressions of one policy. What it has compiled may be
// evaluated by many goroutines at once; compiling is for one at a time.
type Compiler struct {
	cfg      Config
	composed *cel.CompositedCompiler // made when it is first needed
}

// NewCompiler makes a compiler without variables.
func NewCompiler(cfg Config) *Compiler { return &Compiler{cfg: cfg} }

// baseEnvironment and baseCompiler take their time to be made, never change,
// and most servers never need them.
var (
	baseEnvironment = sync.OnceValue(func() *environment.EnvSet {
		return environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	})
	baseCompiler = sync.OnceValue(func() cel.Compiler { return cel.NewCompiler(baseEnvironment()) })
)

// Compile compiles an expression; the result says what is wrong with it.
func (c *Compiler) Compile(use Use, text string, age Age) cel.CompilationResult {
	compiler := baseCompiler()
	if c.cfg.Variables && use != MatchCondition {
		composed, err := c.compose()
		if err != nil {
			return failed(use, text, err)
		}
		compiler = composed
	}
	return compiler.CompileCELExpression(&source{use: use, text: text}, c.sees(use), age)
}

// Variable compiles an expression that those compiled after it know as
// variables.name.
func (c *Compiler) Variable(name, text string, age Age) cel.CompilationResult {
	composed, err := c.compose()
	if err != nil {
		return failed(Variable, text, err)
	}
	return composed.CompileAndStoreVariable(&source{use: Variable, name: name, text: text}, c.sees(Variable), age)
}

func (c *Compiler) sees(use Use) cel.OptionalVariableDeclarations {
	return cel.OptionalVariableDeclarations{
		HasParams: c.cfg.Params, HasAuthorizer: use != Message, HasPatchTypes: use == ApplyConfiguration || use == JSONPatch,
	}
}

func (c *Compiler) compose() (*cel.CompositedCompiler, error) {
	if c.composed == nil {
		composed, err := cel.NewCompositedCompiler(baseEnvironment())
		if err != nil {
			return nil, fmt.Errorf("making an environment with variables: %w", err)
		}
		c.composed = composed
	}
	return c.composed, nil
}
