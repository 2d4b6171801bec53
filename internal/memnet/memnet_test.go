package memnet

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
)

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen("node-1")
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = io.Copy(c, c)
				c.Close()
			}
		}()
		c, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = c.Write([]byte("ping")) }()
		buffer := make([]byte, 4)
		if _, err := io.ReadFull(c, buffer); err != nil || string(buffer) != "ping" {
			t.Errorf("read %q, %v", buffer, err)
		}
		c.Close()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if _, err := l.Dial(t.Context()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial after Close: %v", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Accept after Close: %v", err)
		}
	})
}

func TestDialEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Listen("nobody").Dial(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Dial: %v", err)
		}
	})
}
