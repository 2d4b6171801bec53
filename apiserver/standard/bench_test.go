package standard_test

import (
	"context"
	"testing"

	"github.com/keelson-project/keelson/apiserver/standard"
	"github.com/keelson-project/keelson/store/memory"
)

// BenchmarkStart is from nothing until ready, and the end: what a second
// server in a process costs.
func BenchmarkStart(b *testing.B) {
	pki, err := standard.NewPKI()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		st := memory.New()
		server, err := standard.New(standard.Config{Store: st, PKI: pki})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		<-server.Ready()
		b.StopTimer()
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		if err := st.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
