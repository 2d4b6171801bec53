// Package memnet is a network inside the process: listeners whose connections
// are pipes. It waits on channels alone, so that it works in a
// testing/synctest bubble.
package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener accepts what Dial connects. It implements net.Listener.
type Listener struct {
	name   addr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener with the name given as its address.
func Listen(name string) *Listener {
	return &Listener{name: addr(name), conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the listener; it fails with net.ErrClosed once that is
// closed.
func (l *Listener) Dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.name, Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
	default:
		select {
		case c := <-l.conns:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, &net.OpError{Op: "accept", Net: "memory", Addr: l.name, Err: net.ErrClosed}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.name }

// addr is a name in the memory network.
type addr string

// Network implements net.Addr.
func (addr) Network() string { return "memory" }

// String implements net.Addr.
func (a addr) String() string { return string(a) }
