// Scan writes down what the comments of Kubernetes' API types say about their
// schemas and reflection cannot see, for package openapi.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// patterns are the packages with types of the API.
var patterns = [...]string{
	"k8s.io/api/...", "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io/apimachinery/pkg/api/resource",
	"k8s.io/apimachinery/pkg/runtime", "k8s.io/apimachinery/pkg/util/intstr", "k8s.io/apimachinery/pkg/version",
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1", "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1",
}

func main() {
	out := flag.String("o", "markers.txt", "file to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "scan:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	args := append([]string{"list", "-f", "{{.ImportPath}} {{.Dir}}"}, patterns[:]...)
	var stderr bytes.Buffer
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	list, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w: %s", err, stderr.String())
	}
	s := scanner{consts: map[string]string{}}
	for line := range strings.Lines(string(list)) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if err := s.parse(path, dir); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	s.resolveConstants()
	if len(s.packages) == 0 {
		return errors.New("no packages found")
	}
	var b bytes.Buffer
	b.WriteString("# What comments in the API types say of their schemas. Written by internal/scan; do not edit.\n")
	for _, p := range s.packages {
		s.write(&b, p)
	}
	return os.WriteFile(out, b.Bytes(), 0o644)
}

type scanner struct {
	packages []*pkg
	consts   map[string]string // quoted values by path.Name
	aliases  []constant        // constants that are others
}

// constant is one that may be a value of an enumeration.
type constant struct {
	pkg  *pkg
	name string
	of   *ast.Ident // its type, or nil
	doc  *ast.CommentGroup
	like string // the constant that it is equal to
}

type pkg struct {
	path  string
	types []*ast.TypeSpec
	docs  map[*ast.TypeSpec][]string
	enums map[string][]enumValue
	// swagger is what the SwaggerDoc methods return, by type.
	swagger map[string]map[string]string
}

type enumValue struct{ value, doc string }

// parse reads the types and constants of a package.
func (s *scanner) parse(path, dir string) error {
	p := &pkg{path: path, docs: map[*ast.TypeSpec][]string{}, enums: map[string][]enumValue{}, swagger: map[string]map[string]string{}}
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "zz_") || strings.HasPrefix(base, "generated.pb") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					doc := spec.Doc
					if doc == nil {
						doc = g.Doc
					}
					p.types = append(p.types, spec)
					p.docs[spec] = lines(doc)
				case *ast.ValueSpec:
					if g.Tok == token.CONST {
						s.constant(p, f, g, spec)
					} else {
						p.swaggerDoc(spec)
					}
				}
			}
		}
	}
	s.packages = append(s.packages, p)
	return nil
}

// swaggerDoc reads what a SwaggerDoc method returns.
func (p *pkg) swaggerDoc(spec *ast.ValueSpec) {
	name, ok := strings.CutPrefix(spec.Names[0].Name, "map_")
	if !ok || len(spec.Values) != 1 {
		return
	}
	lit, ok := spec.Values[0].(*ast.CompositeLit)
	if !ok {
		return
	}
	docs := map[string]string{}
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		docs[unquoted(kv.Key)] = unquoted(kv.Value)
	}
	p.swagger[name] = docs
}

func unquoted(e ast.Expr) string {
	if lit, ok := e.(*ast.BasicLit); ok {
		if text, err := strconv.Unquote(lit.Value); err == nil {
			return text
		}
	}
	return ""
}

func (s *scanner) constant(p *pkg, f *ast.File, g *ast.GenDecl, spec *ast.ValueSpec) {
	doc := spec.Doc
	if doc == nil && len(g.Specs) == 1 {
		doc = g.Doc
	}
	for i, name := range spec.Names {
		if i >= len(spec.Values) {
			return
		}
		expr := spec.Values[i]
		of, _ := spec.Type.(*ast.Ident)
		if call, ok := expr.(*ast.CallExpr); ok && len(call.Args) == 1 { // a conversion
			if of == nil {
				of, _ = call.Fun.(*ast.Ident)
			}
			expr = call.Args[0]
		}
		c := constant{pkg: p, name: name.Name, of: of, doc: doc}
		switch expr := expr.(type) {
		case *ast.BasicLit:
			if expr.Kind == token.STRING {
				s.consts[p.path+"."+name.Name] = expr.Value
				s.value(c)
			}
		case *ast.Ident:
			c.like = p.path + "." + expr.Name
			s.aliases = append(s.aliases, c)
		case *ast.SelectorExpr:
			if from, ok := expr.X.(*ast.Ident); ok {
				c.like = imported(f, from.Name) + "." + expr.Sel.Name
				s.aliases = append(s.aliases, c)
			}
		}
	}
}

// imported is the path of the package that a file calls name.
func imported(f *ast.File, name string) string {
	for _, i := range f.Imports {
		path := unquoted(i.Path)
		if i.Name != nil && i.Name.Name == name || i.Name == nil && filepath.Base(path) == name {
			return path
		}
	}
	return ""
}

// resolveConstants gives values to the constants that are others.
func (s *scanner) resolveConstants() {
	for _, c := range s.aliases {
		if value, ok := s.consts[c.like]; ok {
			s.consts[c.pkg.path+"."+c.name] = value
			s.value(c)
		}
	}
}

// value notes a constant as a value of the enumeration that its type may be.
func (s *scanner) value(c constant) {
	value, err := strconv.Unquote(s.consts[c.pkg.path+"."+c.name])
	if c.of == nil || !ast.IsExported(c.name) || err != nil {
		return
	}
	said := strings.TrimSpace(strings.Join(lines(c.doc), " "))
	said = strings.TrimSpace(strings.TrimPrefix(said, c.name))
	c.pkg.enums[c.of.Name] = append(c.pkg.enums[c.of.Name], enumValue{value, strings.Join(strings.Fields(said), " ")})
}

// lines are those of a comment, without its slashes.
func lines(doc *ast.CommentGroup) []string {
	if doc == nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(doc.Text(), "\n"), "\n")
}

// markers are the values of lines such as "+listType=map", by their name.
func markers(doc []string) map[string][]string {
	out := map[string][]string{}
	for _, l := range doc {
		if l, ok := strings.CutPrefix(strings.TrimSpace(l), "+"); ok {
			name, value, _ := strings.Cut(l, "=")
			out[name] = append(out[name], value)
		}
	}
	return out
}

func (s *scanner) write(b *bytes.Buffer, p *pkg) {
	var body bytes.Buffer
	slices.SortFunc(p.types, func(a, b *ast.TypeSpec) int { return strings.Compare(a.Name.Name, b.Name.Name) })
	for _, t := range p.types {
		m := markers(p.docs[t])
		switch of := t.Type.(type) {
		case *ast.StructType:
			s.writeStruct(&body, p, t, of, m)
		case *ast.Ident:
			if _, ok := m["enum"]; ok && of.Name == "string" {
				fmt.Fprintf(&body, "enum %s\n", t.Name.Name)
				values := p.enums[t.Name.Name]
				slices.SortFunc(values, func(a, b enumValue) int { return strings.Compare(a.value, b.value) })
				for _, v := range values {
					fmt.Fprintf(&body, "value %q %s\n", v.value, v.doc)
				}
			}
			if d := m["default"]; len(d) == 1 {
				fmt.Fprintf(&body, "type %s default=%s\n", t.Name.Name, s.resolve(p, d[0]))
			}
		}
	}
	if body.Len() > 0 {
		fmt.Fprintf(b, "package %s\n", p.path)
		b.Write(body.Bytes())
	}
}

func (s *scanner) writeStruct(b *bytes.Buffer, p *pkg, t *ast.TypeSpec, of *ast.StructType, m map[string][]string) {
	var facts []string
	for _, name := range []string{"mapType", "structType"} {
		for _, v := range m[name] {
			facts = append(facts, name+"="+v)
		}
	}
	if _, ok := m["union"]; ok {
		facts = append(facts, "union")
	}
	docs := p.swagger[t.Name.Name]
	if doc := description(p.docs[t]); t.Name.IsExported() && doc != docs[""] {
		facts = append(facts, "doc="+strconv.Quote(doc))
	}
	if len(facts) > 0 {
		fmt.Fprintf(b, "type %s %s\n", t.Name.Name, strings.Join(facts, " "))
	}
	for _, f := range of.Fields.List {
		if len(f.Names) != 1 && f.Tag == nil {
			continue
		}
		tag := ""
		if f.Tag != nil {
			text, err := strconv.Unquote(f.Tag.Value)
			if err != nil {
				continue
			}
			tag = reflect.StructTag(text).Get("json")
		}
		name, _, _ := strings.Cut(tag, ",")
		if name == "" || name == "-" {
			continue
		}
		facts := s.field(p, lines(f.Doc), tag)
		if doc := description(lines(f.Doc)); doc != docs[name] && !slices.ContainsFunc(facts, hasDefault) {
			facts = append(facts, "doc="+strconv.Quote(doc))
		}
		if len(facts) > 0 {
			fmt.Fprintf(b, "field %s.%s %s\n", t.Name.Name, name, strings.Join(facts, " "))
		}
	}
}

// hasDefault finds the fact that ends a line.
func hasDefault(fact string) bool { return strings.HasPrefix(fact, "default=") }

// field returns what a field's comment says beyond its tag.
func (s *scanner) field(p *pkg, doc []string, tag string) []string {
	m := markers(doc)
	var facts []string
	omitempty := strings.Contains(tag, "omitempty")
	if _, ok := m["optional"]; ok && !omitempty {
		facts = append(facts, "optional")
	}
	if _, ok := m["required"]; ok && omitempty {
		facts = append(facts, "required")
	}
	for _, name := range []string{"listType", "listMapKey", "mapType", "structType"} {
		for _, v := range m[name] {
			facts = append(facts, name+"="+v)
		}
	}
	if _, ok := m["unionDiscriminator"]; ok {
		facts = append(facts, "unionDiscriminator")
	}
	if d := m["default"]; len(d) == 1 {
		facts = append(facts, "default="+s.resolve(p, d[0]))
	}
	return facts
}

// resolve replaces a default that is a reference by the constant.
func (s *scanner) resolve(p *pkg, value string) string {
	ref, ok := strings.CutPrefix(value, "ref(")
	if !ok {
		return value
	}
	ref = strings.TrimSuffix(ref, ")")
	if !strings.Contains(ref, ".") {
		ref = p.path + "." + ref
	}
	return s.consts[ref]
}

// description joins the lines of a comment: text flows, indented lines and
// paragraphs stay.
func description(doc []string) string {
	var b strings.Builder
	for _, l := range doc {
		l = strings.TrimRight(l, " ")
		bare := strings.TrimLeft(l, " ")
		switch {
		case l == "---":
			return strings.TrimSpace(b.String())
		case l == "":
			cut(&b)
			b.WriteString("\n\n")
		case strings.HasPrefix(bare, "TODO"), strings.HasPrefix(bare, "+"):
		case strings.HasPrefix(l, " "), strings.HasPrefix(l, "\t"):
			cut(&b)
			b.WriteString("\n" + l + "\n")
		default:
			b.WriteString(l + " ")
		}
	}
	return strings.TrimSpace(b.String())
}

// cut removes the last byte, which parts what was written from what follows.
func cut(b *strings.Builder) {
	if s := b.String(); s != "" {
		b.Reset()
		b.WriteString(s[:len(s)-1])
	}
}
