package memory_test

import (
	"testing"

	"github.com/keelson-project/keelson/store"
	"github.com/keelson-project/keelson/store/memory"
	"github.com/keelson-project/keelson/store/storetest/storebench"
)

func BenchmarkStore(b *testing.B) {
	storebench.Run(b, func(b *testing.B) store.Store {
		s := memory.New(memory.WithHistory(10000))
		b.Cleanup(func() { _ = s.Close() })
		return s
	})
}

func BenchmarkFork(b *testing.B) {
	s := memory.New()
	defer s.Close()
	for i := range 10000 {
		must(s.Create(b.Context(), string(rune(i+'0')), nil, 0))
	}
	b.ReportAllocs()
	for b.Loop() {
		must(s.Fork())
	}
}
