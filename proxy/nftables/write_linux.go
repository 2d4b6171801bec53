package nftables

import (
	"slices"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// elementsPerMessage keeps a message's list of elements, whose length has 16
// bits, well below its limit.
const elementsPerMessage = 400

// writer puts one transaction together.
type writer struct {
	*renderer
	conn  *nftables.Conn
	setID uint32 // of the last set made in this transaction
}

func (r *renderer) newWriter(c *nftables.Conn) *writer {
	return &writer{renderer: r, conn: c, setID: r.firstSetID() + uint32(setCount)}
}

// removeTable removes the table if it is there.
func (w *writer) removeTable() {
	w.conn.AddTable(w.table)
	w.conn.DelTable(w.table)
}

// writeBase makes the table, empty but for its fixed part.
func (w *writer) writeBase() error {
	w.removeTable()
	w.conn.AddTable(w.table)
	for _, s := range w.sets[clusterIPs:] {
		if err := w.conn.AddSet(s, nil); err != nil {
			return err
		}
	}
	chains := w.base()
	for _, c := range chains {
		priority := c.priority
		made := &nftables.Chain{Name: c.name, Table: w.table, Type: c.kind, Hooknum: c.hook}
		if c.hook != nil {
			made.Priority = &priority
		}
		w.conn.AddChain(made)
	}
	for _, c := range chains {
		if err := w.writeRules(c.name, c.rules); err != nil {
			return err
		}
	}
	return nil
}

// write brings the table from one state to the next. What is referred to is
// made before what refers to it, and removed after.
func (w *writer) write(d difference) error {
	for _, c := range d.added {
		switch c.kind {
		case isSet:
			if err := w.writeSet(c); err != nil {
				return err
			}
		case isChain:
			w.conn.AddChain(w.chain(c.name))
		}
	}
	before := func(c *change) string { return c.before.value }
	after := func(c *change) string { return c.after.value }
	for _, old := range [][]change{d.removed, d.changed} {
		if err := w.writeElements(old, before, w.conn.SetDeleteElements); err != nil {
			return err
		}
	}
	for _, c := range d.changed {
		if c.kind == isChain {
			w.conn.FlushChain(w.chain(c.name))
		}
	}
	for _, next := range [][]change{d.added, d.changed} {
		for _, c := range next {
			if c.kind == isChain {
				if err := w.writeRules(c.name, c.after.rules); err != nil {
					return err
				}
			}
		}
	}
	for _, next := range [][]change{d.added, d.changed} {
		if err := w.writeElements(next, after, w.conn.SetAddElements); err != nil {
			return err
		}
	}
	w.removeOld(d.removed)
	return nil
}

// removeOld removes chains and then sets that nothing refers to any more,
// except that they may refer to each other: their rules go first.
func (w *writer) removeOld(removed []change) {
	for _, c := range removed {
		if c.kind == isChain {
			w.conn.FlushChain(w.chain(c.name))
		}
	}
	for _, c := range removed {
		switch c.kind {
		case isChain:
			w.conn.DelChain(w.chain(c.name))
		case isSet:
			w.conn.DelSet(&nftables.Set{Table: w.table, Name: c.name})
		}
	}
}

func (w *writer) chain(name string) *nftables.Chain {
	return &nftables.Chain{Name: name, Table: w.table}
}

// writeSet makes a set of clients. When only the time-out of one changes, it
// stays, with the clients in it: the rules that put them there name it too.
func (w *writer) writeSet(c change) error {
	timeout, err := time.ParseDuration(c.after.value)
	if err != nil {
		return err
	}
	s := w.clients(c.name, timeout)
	w.setID++
	s.ID = w.setID
	return w.conn.AddSet(s, nil)
}

func (w *writer) writeRules(chain string, rules []rule) error {
	for _, r := range rules {
		exprs := r.exprs
		if len(r.spread) > 0 {
			choice, err := w.writeChoice(r.spread)
			if err != nil {
				return err
			}
			exprs = append(slices.Clone(exprs), choice...)
		}
		w.conn.AddRule(&nftables.Rule{Table: w.table, Chain: w.chain(chain), Exprs: exprs})
	}
	return nil
}

// writeChoice makes the anonymous map that a random choice looks up.
func (w *writer) writeChoice(chains []string) ([]expr.Any, error) {
	w.setID++
	choice := &nftables.Set{
		Table: w.table, Name: "__map%d", ID: w.setID, Anonymous: true, Constant: true, IsMap: true,
		KeyType: nftables.TypeInteger, DataType: nftables.TypeVerdict,
	}
	elements := make([]nftables.SetElement, len(chains))
	for i, chain := range chains {
		elements[i] = nftables.SetElement{
			Key: numberField(nil, i), VerdictData: &expr.Verdict{Kind: expr.VerdictGoto, Chain: chain},
		}
	}
	if err := w.conn.AddSet(choice, elements); err != nil {
		return nil, err
	}
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: uint32(len(chains)), Type: unix.NFT_NG_RANDOM},
		&expr.Lookup{SourceRegister: 1, DestRegister: 0, IsDestRegSet: true, SetName: choice.Name, SetID: choice.ID},
	}, nil
}

// writeElements adds or deletes elements, many to a message.
func (w *writer) writeElements(changes []change, value func(*change) string, do func(*nftables.Set, []nftables.SetElement) error) error {
	var bySet [setCount][]nftables.SetElement
	for i := range changes {
		c := &changes[i]
		if c.kind != isElement {
			continue
		}
		bySet[c.set] = append(bySet[c.set], w.setElement(c.key, value(c)))
		if len(bySet[c.set]) == elementsPerMessage {
			if err := do(w.sets[c.set], bySet[c.set]); err != nil {
				return err
			}
			bySet[c.set] = bySet[c.set][:0]
		}
	}
	for id, elements := range bySet {
		if len(elements) > 0 {
			if err := do(w.sets[id], elements); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) setElement(k key, value string) nftables.SetElement {
	e := nftables.SetElement{Key: []byte(k.name)}
	switch {
	case w.verdictMap(k.set):
		e.VerdictData = &expr.Verdict{Kind: expr.VerdictGoto, Chain: value}
		if k.set == firewall {
			// An admitted client comes back and goes on.
			e.VerdictData.Kind = expr.VerdictJump
		}
	case value != inSet:
		e.Val = []byte(value)
	}
	return e
}
