//go:build linux

// Package proc starts programs on chosen cores and says what they cost: CPU time
// in nanoseconds and memory, each with all descendants.
package proc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Command is a program to be started.
type Command struct {
	Path   string
	Args   []string
	Cores  []int    // where it may run; nil: anywhere
	Stdin  *os.File // nil: /dev/null
	Stdout *os.File // nil: /dev/null
}

// Process is a started Command, the leader of a process group of its own.
type Process struct {
	cmd   *exec.Cmd
	said  *os.File // its standard error
	began time.Time
	done  chan struct{}

	// Once done is closed:
	err   error
	took  time.Duration
	empty bool // nothing is left of its group
}

// ErrEnded says that a program ended before it was stopped.
var ErrEnded = errors.New("ended by itself")

// Start starts c. The process dies with this one.
func (c Command) Start() (*Process, error) {
	said, err := os.CreateTemp("", "bench-stderr")
	if err != nil {
		return nil, err
	}
	os.Remove(said.Name())
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if c.Stdin != nil {
		cmd.Stdin = c.Stdin
	}
	if c.Stdout != nil {
		cmd.Stdout = c.Stdout
	}
	p := &Process{cmd: cmd, said: said, done: make(chan struct{})}
	err = OnCores(c.Cores, func() error {
		p.began = time.Now()
		return cmd.Start()
	})
	if err != nil {
		said.Close()
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	go p.wait()
	return p, nil
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	p.took = time.Since(p.began)
	p.empty = errors.Is(syscall.Kill(-p.pid(), 0), syscall.ESRCH)
	close(p.done)
}

func (p *Process) pid() int { return p.cmd.Process.Pid }

// Wait waits for the end and returns the CPU time of the process and of the
// children that it waited for. A status other than 0 is an error.
func (p *Process) Wait(ctx context.Context) (time.Duration, error) {
	select {
	case <-p.done:
	case <-ctx.Done():
		return 0, p.explain(ctx.Err())
	}
	if p.err != nil {
		return 0, p.explain(p.err)
	}
	state := p.cmd.ProcessState
	return state.UserTime() + state.SystemTime(), nil
}

// Took waits for the end and returns the wall time from the start to it.
func (p *Process) Took(ctx context.Context) (time.Duration, error) {
	_, err := p.Wait(ctx)
	if err != nil {
		return 0, err
	}
	return p.took, nil
}

// Alive returns nil until the process has ended.
func (p *Process) Alive() error {
	select {
	case <-p.done:
		return p.explain(ErrEnded)
	default:
		return nil
	}
}

// explain adds the name of the program and the end of what it said.
func (p *Process) explain(err error) error {
	name := filepath.Base(p.cmd.Path)
	if said := p.lastWords(); said != "" {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (p *Process) lastWords() string {
	info, err := p.said.Stat()
	if err != nil {
		return ""
	}
	tail := make([]byte, min(info.Size(), 300))
	n, _ := p.said.ReadAt(tail, info.Size()-int64(len(tail)))
	return strings.Join(strings.Fields(string(tail[:n])), " ")
}

// Stop ends the process and its descendants: SIGTERM, then SIGKILL.
func (p *Process) Stop() {
	defer p.said.Close()
	family := family(p.pid())
	end := func(signal syscall.Signal) {
		for _, pid := range family {
			syscall.Kill(pid, signal)
		}
	}
	if p.Alive() == nil {
		end(syscall.SIGTERM)
	}
	select {
	case <-p.done:
	case <-time.After(time.Second):
	}
	if p.Alive() == nil || !p.empty { // else the number may be another's by now
		syscall.Kill(-p.pid(), syscall.SIGKILL) // those left behind: the group is ours
	}
	<-p.done
}
