package openapi

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

//go:embed markers.txt
var markersText string

// markers are what comments say of the types of Kubernetes, by the path of the
// package, a dot and the name of the type.
type markers map[string]*typeMarkers

// typeMarkers are those of one type.
type typeMarkers struct {
	facts    facts
	fields   map[string]facts // by name in JSON
	enum     []string
	enumDocs []string
}

// facts are what one comment says.
type facts struct {
	optional, required, union, discriminator bool

	listType, mapType string
	listMapKeys       []any
	defaultValue      any
	doc               string // where SwaggerDoc does not say so
}

// readMarkers returns the content of markers.txt.
var readMarkers = sync.OnceValue(func() markers {
	m, err := parseMarkers(markersText)
	if err != nil {
		panic(err) // the text is a part of the program
	}
	return m
})

func parseMarkers(text string) (markers, error) {
	m := markers{}
	path := ""
	var last *typeMarkers
	of := func(name string) *typeMarkers {
		key := path + "." + name
		if m[key] == nil {
			m[key] = &typeMarkers{}
		}
		return m[key]
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		word, rest, _ := strings.Cut(line, " ")
		subject, said, _ := strings.Cut(rest, " ")
		var err error
		switch word {
		case "#", "":
		case "package":
			path = subject
		case "type":
			of(subject).facts, err = parseFacts(said)
		case "field":
			name, field, _ := strings.Cut(subject, ".")
			t := of(name)
			if t.fields == nil {
				t.fields = map[string]facts{}
			}
			t.fields[field], err = parseFacts(said)
		case "enum":
			last = of(subject)
			last.enum = []string{}
		case "value":
			quoted, qerr := strconv.QuotedPrefix(rest)
			value, uerr := strconv.Unquote(quoted)
			if qerr != nil || uerr != nil || last == nil {
				return nil, fmt.Errorf("openapi: markers.txt: %q is no value", line)
			}
			last.add(value, strings.TrimSpace(rest[len(quoted):]))
		default:
			return nil, fmt.Errorf("openapi: markers.txt: %q begins with an unknown word", line)
		}
		if err != nil {
			return nil, fmt.Errorf("openapi: markers.txt: %q: %w", line, err)
		}
	}
	return m, nil
}

// add adds a value to an enumeration, once.
func (t *typeMarkers) add(value, doc string) {
	for i, v := range t.enum {
		if v == value {
			if len(doc) > len(t.enumDocs[i]) {
				t.enumDocs[i] = doc
			}
			return
		}
	}
	t.enum, t.enumDocs = append(t.enum, value), append(t.enumDocs, doc)
}

// enumText is what descriptions of fields say of an enumeration.
func (t *typeMarkers) enumText() string {
	var b strings.Builder
	b.WriteString("Possible enum values:")
	for i, v := range t.enum {
		b.WriteString(strings.TrimRight(fmt.Sprintf("\n - `%q` %s", v, t.enumDocs[i]), " "))
	}
	return b.String()
}

func parseFacts(text string) (facts, error) {
	var f facts
	for text != "" {
		if value, ok := strings.CutPrefix(text, "default="); ok { // to the end of the line
			return f, json.Unmarshal([]byte(value), &f.defaultValue)
		}
		if quoted, ok := strings.CutPrefix(text, "doc="); ok { // likewise
			doc, err := strconv.Unquote(quoted)
			f.doc = doc
			return f, err
		}
		var word string
		word, text, _ = strings.Cut(text, " ")
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "optional":
			f.optional = true
		case "required":
			f.required = true
		case "union":
			f.union = true
		case "unionDiscriminator":
			f.discriminator = true
		case "listType":
			f.listType = value
		case "listMapKey":
			f.listMapKeys = append(f.listMapKeys, value)
		case "mapType", "structType":
			f.mapType = value
		default:
			return f, fmt.Errorf("%q is unknown", word)
		}
	}
	return f, nil
}
