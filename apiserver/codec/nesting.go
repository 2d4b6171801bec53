package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"go.yaml.in/yaml/v3"
)

const (
	// MaxNesting is how deep the values of a body may be nested. Merging and
	// comparing take time that grows with the square of the depth, and reading
	// protobuf stack.
	MaxNesting = 1000
	// maxExpanded is how large YAML may become, in bytes, when what its aliases
	// stand for is put in their places.
	maxExpanded = 3 << 20
)

// CheckNesting refuses a body that is nested deeper than MaxNesting, or whose
// YAML expands to too much. A body that is no such document at all is left to
// the decoder to refuse.
func CheckNesting(data []byte, m Media) error {
	switch m {
	case JSON:
		if c := tooDeep(data); c != 0 {
			return fmt.Errorf("couldn't get version/kind; json parse error: invalid character %q exceeded max depth", c)
		}
	case YAML:
		return checkYAML(data)
	case Protobuf:
		if len(data) > MaxNesting && !shallow(data[min(len(data), len(Magic)):], MaxNesting) {
			return fmt.Errorf("exceeded max depth of %d", MaxNesting)
		}
	}
	return nil
}

// tooDeep returns the bracket that opens a value too many in JSON; 0 for none.
func tooDeep(data []byte) byte {
	if bytes.Count(data, []byte{'{'})+bytes.Count(data, []byte{'['}) <= MaxNesting {
		return 0
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			for i++; i < len(data) && data[i] != '"'; i++ {
				if data[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			if depth++; depth > MaxNesting {
				return c
			}
		case '}', ']':
			depth--
		}
	}
	return 0
}

// shallow reports whether what may be messages in protobuf data are nested no
// deeper than a limit. Without their types it cannot tell messages from text,
// but text is hardly ever made like that.
func shallow(data []byte, limit int) bool {
	if limit == 0 {
		return false
	}
	for len(data) > 0 {
		tag, n := binary.Uvarint(data)
		if n <= 0 {
			return true
		}
		data = data[n:]
		switch tag & 7 {
		case 0:
			if _, n = binary.Uvarint(data); n <= 0 {
				return true
			}
		case 1:
			n = 8
		case 5:
			n = 4
		case 2:
			size, k := binary.Uvarint(data)
			if k <= 0 {
				return true
			}
			data = data[k:]
			n = int(min(size, uint64(len(data))))
			if n > 1 && !shallow(data[:n], limit-1) {
				return false
			}
		default:
			return true
		}
		data = data[min(n, len(data)):]
	}
	return true
}

// checkYAML checks the first document of YAML.
func checkYAML(data []byte) error {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil // the decoder says so in its own words
	}
	e := expansion{known: map[*yaml.Node]extent{}}
	whole := e.of(&doc)
	switch {
	case e.cyclic:
		return nil // likewise
	case whole.depth > MaxNesting:
		return fmt.Errorf("yaml: exceeded max depth of %d", MaxNesting)
	case whole.size > maxExpanded && whole.size > len(data):
		return fmt.Errorf("yaml: document expands to more than %d bytes", maxExpanded)
	}
	return nil
}

// extent is how much a value is when its aliases are expanded.
type extent struct{ depth, size int }

type expansion struct {
	known  map[*yaml.Node]extent // and zero for those under way
	cyclic bool
}

func (e *expansion) of(n *yaml.Node) extent {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if x, ok := e.known[n]; ok {
		e.cyclic = e.cyclic || x == extent{}
		return x
	}
	e.known[n] = extent{}
	x := extent{1, 1 + len(n.Value)}
	for _, c := range n.Content {
		inner := e.of(c)
		x.depth = max(x.depth, inner.depth+1)
		x.size = min(x.size+inner.size, 1<<40)
	}
	e.known[n] = x
	return x
}
