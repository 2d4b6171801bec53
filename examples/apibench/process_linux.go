package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that apibench has started, with all that it has started
// itself.
type process struct {
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}
	output bytes.Buffer
}

// clockTick is the unit of times in /proc.
const clockTick = 10 * time.Millisecond

// startProcess runs a command in a process group of its own.
func startProcess(command []string) (*process, error) {
	dir, err := os.MkdirTemp("", "apibench-")
	if err != nil {
		return nil, err
	}
	p := &process{dir: dir, exited: make(chan struct{})}
	args := make([]string, len(command))
	for i, a := range command {
		args[i] = strings.ReplaceAll(a, "{dir}", dir)
	}
	p.cmd = exec.Command(args[0], args[1:]...)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = time.Second // children may hold on to the output
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

func (p *process) kubeconfig() string { return filepath.Join(p.dir, "kubeconfig") }

// ready returns once the server says that it is.
func (p *process) ready(ctx context.Context, http1 bool) (*server, error) {
	var c *client
	for {
		if c == nil {
			if _, err := os.Stat(p.kubeconfig()); err == nil {
				if s, err := open(p.kubeconfig(), http1); err == nil {
					c = s.client()
					defer c.close()
				}
			}
		}
		if c != nil {
			if _, err := c.do(ctx, call{method: "GET", path: "/readyz"}); err == nil {
				return c.server, nil
			}
		}
		select {
		case <-time.After(time.Millisecond):
		case <-p.exited:
			return nil, fmt.Errorf("%s: %s: %s", p.cmd.Path, p.cmd.ProcessState, p.lastWords())
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// lastWords is the end of what an ended process has written.
func (p *process) lastWords() string {
	text := strings.TrimSpace(p.output.String())
	return text[max(0, len(text)-500):]
}

// use is what the processes take, together.
type use struct {
	resident int64 // bytes
	cpu      time.Duration
	alive    int
}

// use reads /proc; its own reading costs the servers nothing.
func (p *process) use() (use, error) {
	var u use
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return u, err
	}
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue // it has just ended
		}
		// The second field, in parentheses, may contain anything.
		_, rest, _ := strings.Cut(string(data[bytes.LastIndexByte(data, ')'):]), " ")
		f := strings.Fields(rest)
		if len(f) < 22 || f[2] != strconv.Itoa(p.cmd.Process.Pid) || f[0] == "Z" {
			continue
		}
		u.alive++
		for _, i := range []int{11, 12} { // user and system time
			n, err := strconv.ParseInt(f[i], 10, 64)
			if err != nil {
				return u, fmt.Errorf("%s: %w", name, err)
			}
			u.cpu += time.Duration(n) * clockTick
		}
		pages, err := strconv.ParseInt(f[21], 10, 64)
		if err != nil {
			return u, fmt.Errorf("%s: %w", name, err)
		}
		u.resident += pages * int64(os.Getpagesize())
	}
	return u, nil
}

// stop asks all processes to end and returns how long the last one took.
func (p *process) stop() (time.Duration, error) {
	begin := time.Now()
	err := p.signal(syscall.SIGTERM)
	for err == nil {
		var u use
		if u, err = p.use(); err != nil || u.alive == 0 {
			break
		}
		if time.Since(begin) > 30*time.Second {
			err = errors.Join(errors.New("it has not stopped after 30 s, and was killed"), p.signal(syscall.SIGKILL))
			break
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	<-p.exited
	return took, errors.Join(err, os.RemoveAll(p.dir))
}

func (p *process) signal(s syscall.Signal) error {
	err := syscall.Kill(-p.cmd.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}
