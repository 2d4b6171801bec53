//go:build !linux

package main

import (
	"context"
	"errors"
	"time"
)

// process is a server that apibench has started; that works on Linux alone.
type process struct{}

// use is what the processes take, together.
type use struct {
	resident int64 // bytes
	cpu      time.Duration
}

var errNotHere = errors.New("-server works on Linux alone: start the server yourself and give -kubeconfig")

func startProcess([]string) (*process, error)                 { return nil, errNotHere }
func (*process) ready(context.Context, bool) (*server, error) { return nil, errNotHere }
func (*process) use() (use, error)                            { return use{}, errNotHere }
func (*process) stop() (time.Duration, error)                 { return 0, errNotHere }
