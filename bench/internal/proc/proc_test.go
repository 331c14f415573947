//go:build linux

package proc

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// script starts a line of shell and returns what reads its output.
func script(t *testing.T, line string) (*Process, *os.File) {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Command{Path: shell, Args: []string{"-c", line}, Stdout: write}.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(); read.Close() })
	return p, read
}

// spin is work for a shell; it is done once the shell has said something.
const spin = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; "

func TestCPUOfDescendants(t *testing.T) {
	p, out := script(t, "( "+spin+"cat ) < /dev/zero & wait")
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	own, err := clock(p.pid())
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	if all < 2*own || all == 0 {
		t.Errorf("%v with the child that did the work, %v without it", all, own)
	}
}

func TestCPUOfChildrenThatEnded(t *testing.T) {
	p, out := script(t, "sh -c '"+spin+spin+"'; exec sleep 60")
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	for child := []int(nil); len(child) != 1; child = family(p.pid()) {
	} // until the shell has waited for its child
	cpu, err := p.CPU()
	if err != nil || cpu < 2*tick {
		t.Errorf("CPU = %v, %v: less than two ticks for the child's work", cpu, err)
	}
}

// The cost of a process that is gone is not known, and never 0.
func TestCPUOfOneThatEnded(t *testing.T) {
	p, _ := script(t, "exit 0")
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cpu, err := p.CPU(); !errors.Is(err, ErrEnded) {
		t.Errorf("CPU = %v, %v", cpu, err)
	}
	if cpu, err := cpuOf(p.pid()); err == nil {
		t.Errorf("cpuOf = %v", cpu)
	}
}

func TestWaitCountsCPU(t *testing.T) {
	p, _ := script(t, spin)
	cpu, err := p.Wait(t.Context())
	if err != nil || cpu == 0 {
		t.Errorf("Wait = %v, %v", cpu, err)
	}
}

func TestWaitSaysWhy(t *testing.T) {
	p, _ := script(t, "echo no such thing >&2; exit 3")
	_, err := p.Wait(t.Context())
	if err == nil || err.Error() != "sh: exit status 3: no such thing" {
		t.Errorf("Wait: %v", err)
	}
	if err := p.Alive(); !errors.Is(err, ErrEnded) {
		t.Errorf("Alive: %v", err)
	}
}

func TestWaitIsBounded(t *testing.T) {
	p, _ := script(t, "exec sleep 60")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait: %v", err)
	}
}

// Whoever holds the other end of the pipe is gone once it reads as ended.
func TestStopEndsDescendants(t *testing.T) {
	p, out := script(t, "trap '' TERM; ( trap '' TERM; echo up; sleep 60 ) & wait; sleep 60")
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if rest, err := io.ReadAll(out); err != nil || len(rest) != 0 {
		t.Errorf("%q, %v", rest, err)
	}
}

func TestMemory(t *testing.T) {
	p, out := script(t, "echo up; exec sleep 60")
	if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	if bytes, err := p.Memory(); err != nil || bytes < 4096 || bytes > 1<<30 {
		t.Errorf("Memory = %d, %v", bytes, err)
	}
}

func TestBoundSeesListeners(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		port, err := FreePort(network)
		if err != nil {
			t.Fatal(err)
		}
		if bound(network, port) {
			t.Errorf("%s port %d is free", network, port)
		}
	}
}

func TestBoundIsBounded(t *testing.T) {
	p, _ := script(t, "exec sleep 60")
	port, err := FreePort("tcp")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Bound(ctx, "tcp", port); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Bound: %v", err)
	}
}

func TestStartsOnCores(t *testing.T) {
	before, err := Cores()
	if err != nil {
		t.Fatal(err)
	}
	last := before[len(before)-1]
	shell, _ := exec.LookPath("sh")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	p, err := Command{Path: shell, Args: []string{"-c", "grep Cpus_allowed_list /proc/self/status"}, Cores: []int{last}, Stdout: write}.Start()
	write.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	said, err := io.ReadAll(read)
	if fields := strings.Fields(string(said)); err != nil || len(fields) != 2 || fields[1] != strconv.Itoa(last) {
		t.Errorf("it may run on %q, %v; want %d", said, err, last)
	}
	if after, err := Cores(); err != nil || !slices.Equal(after, before) {
		t.Errorf("this process: cores %v, %v; before %v", after, err, before)
	}
}
