package queue

// heap is a binary heap of pods that know their place in it.
type heap struct {
	items []*Pod
	less  func(a, b *Pod) bool
}

func (h *heap) peek() *Pod {
	if len(h.items) == 0 {
		return nil
	}
	return h.items[0]
}

func (h *heap) push(p *Pod) {
	p.index = len(h.items)
	h.items = append(h.items, p)
	h.up(p.index)
}

func (h *heap) remove(p *Pod) {
	i, last := p.index, len(h.items)-1
	h.swap(i, last)
	h.items[last] = nil
	h.items = h.items[:last]
	if i < last {
		h.down(i)
		h.up(i)
	}
}

func (h *heap) fix(p *Pod) {
	h.down(p.index)
	h.up(p.index)
}

func (h *heap) swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].index, h.items[j].index = i, j
}

func (h *heap) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.less(h.items[i], h.items[parent]) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *heap) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(h.items) {
			return
		}
		if r := child + 1; r < len(h.items) && h.less(h.items[r], h.items[child]) {
			child = r
		}
		if !h.less(h.items[child], h.items[i]) {
			return
		}
		h.swap(i, child)
		i = child
	}
}
