package ownership

import (
	_ "embed"
	"reflect"
	"strings"
)

// topologyText tells which fields are something else than Go's types suggest.
// A line is a type, a field (followed by [] for a list's elements), and what
// it is:
//
//	atomic        owned as a whole
//	set           a list whose elements are owned by their values
//	map KEY…      a list whose elements are owned by their keys; KEY=JSON
//	              has a default
//
// Without a line lists are atomic, and structs and maps are owned field by
// field. It is made of the schema in client-go's applyconfigurations by
// TestTopology with -update.
//
//go:embed topology.txt
var topologyText string

// relation says how the parts of a field are owned.
type relation struct {
	atomic bool
	list   listRelation
	keys   []string // NAME or NAME=JSON
}

type listRelation int

const (
	atomicList listRelation = iota
	setList
	mapList
)

// topology is what topologyText says, by "package.Type.field".
type topology map[string]relation

func parseTopology(text string) topology {
	t := topology{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		var r relation
		switch words[1] {
		case "atomic":
			r.atomic = true
		case "set":
			r.list = setList
		case "map":
			r.list, r.keys = mapList, words[2:]
		}
		t[words[0]] = r
	}
	return t
}

// typeName is how the topology calls a type.
func typeName(t reflect.Type) string {
	path := strings.TrimPrefix(strings.TrimPrefix(t.PkgPath(), "k8s.io/api/"), "k8s.io/apimachinery/pkg/")
	return path + "." + t.Name()
}
