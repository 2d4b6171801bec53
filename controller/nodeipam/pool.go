package nodeipam

import (
	"fmt"
	"math/big"
	"net/netip"
	"sync"
)

// maxRanges bounds the ranges of one pool: a node set is never larger.
const maxRanges = 1 << 20

// pool shares a range out in parts of one size. Safe for concurrent use.
type pool struct {
	whole netip.Prefix
	bits  int
	count int

	mu   sync.Mutex
	used map[netip.Prefix]struct{}
	odd  map[netip.Prefix]struct{} // in use, of another size
	last int                       // index of the last part given away
}

func newPool(whole netip.Prefix, bits int) (*pool, error) {
	if !whole.IsValid() || bits < whole.Bits() || bits > whole.Addr().BitLen() {
		return nil, fmt.Errorf("%w: %s in parts of /%d", errRange, whole, bits)
	}
	count := maxRanges
	if shift := bits - whole.Bits(); shift < 20 {
		count = 1 << shift
	}
	return &pool{whole: whole.Masked(), bits: bits, count: count, used: make(map[netip.Prefix]struct{}), odd: make(map[netip.Prefix]struct{}), last: -1}, nil
}

// part is the part of that index.
func (p *pool) part(i int) netip.Prefix {
	base := new(big.Int).SetBytes(p.whole.Addr().AsSlice())
	step := new(big.Int).Lsh(big.NewInt(int64(i)), uint(p.whole.Addr().BitLen()-p.bits))
	raw := base.Add(base, step).FillBytes(make([]byte, p.whole.Addr().BitLen()/8))
	addr, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(addr, p.bits)
}

// next takes a free part, going round so that a part just given back is not reused at
// once; false if none is free.
func (p *pool) next() (netip.Prefix, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range p.count {
		i := (p.last + 1 + n) % p.count
		part := p.part(i)
		if p.taken(part) {
			continue
		}
		p.used[part] = struct{}{}
		p.last = i
		return part, true
	}
	return netip.Prefix{}, false
}

// taken reports whether part is in use, itself or by a range of another size.
func (p *pool) taken(part netip.Prefix) bool {
	if _, ok := p.used[part]; ok {
		return true
	}
	for other := range p.odd {
		if other.Overlaps(part) {
			return true
		}
	}
	return false
}

// occupy marks a range as in use, if it is of this pool.
func (p *pool) occupy(r netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case !p.whole.Overlaps(r):
	case r.Bits() == p.bits:
		p.used[r] = struct{}{}
	default:
		p.odd[r] = struct{}{}
	}
}

func (p *pool) release(r netip.Prefix) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.used, r)
	delete(p.odd, r)
}
