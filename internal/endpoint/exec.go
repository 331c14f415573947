package endpoint

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/sockkit/sockkit/trace"
)

// Addr is the address of an end that is no socket.
type Addr struct{ Net, Name string }

// Network implements [net.Addr].
func (a Addr) Network() string { return a.Net }

// String implements [net.Addr].
func (a Addr) String() string { return a.Name }

// files is a connection made of a file to read and a file to write.
type files struct {
	in, out *os.File
	name    Addr
}

// Files returns the files that are read and written, so that bytes may be
// spliced.
func (f *files) Files() (in, out *os.File) { return f.in, f.out }

func (f *files) Read(p []byte) (int, error)  { return f.in.Read(p) }
func (f *files) Write(p []byte) (int, error) { return f.out.Write(p) }
func (f *files) LocalAddr() net.Addr         { return f.name }
func (f *files) RemoteAddr() net.Addr        { return f.name }
func (f *files) CloseWrite() error           { return ignoreClosed(f.out.Close()) }

func (f *files) Close() error {
	return errors.Join(ignoreClosed(f.out.Close()), ignoreClosed(f.in.Close()))
}

func (f *files) SetDeadline(t time.Time) error {
	return errors.Join(f.SetReadDeadline(t), f.SetWriteDeadline(t))
}
func (f *files) SetReadDeadline(t time.Time) error  { return f.in.SetReadDeadline(t) }
func (f *files) SetWriteDeadline(t time.Time) error { return f.out.SetWriteDeadline(t) }

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// Stdin and standard output as one connection.
func stdio(in, out *os.File) net.Conn {
	return &files{in: in, out: out, name: Addr{"stdio", "-"}}
}

// Command is a child process to be started.
type Command struct {
	Args   []string
	Env    []string // added to ours
	Stderr io.Writer
	Name   string // as the user wrote it
	Tracer *trace.Tracer
	// Children, where not nil, knows the process as long as it runs.
	Children *Children
	// Left, where not nil, is given the reading end of the input once the process
	// is gone: what can be read there it has not read.
	Left func(input *os.File)
}

// Children are the processes that run.
type Children struct {
	mu      sync.Mutex
	running map[*child]struct{}
}

// Kill ends all of them at once.
func (c *Children) Kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for p := range c.running {
		kill(p.cmd)
	}
}

func (c *Children) add(p *child) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.running = map[*child]struct{}{}
	}
	c.running[p] = struct{}{}
}

func (c *Children) remove(p *child) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, p)
}

// child is the connection to the standard input and output of a process.
type child struct {
	files
	cmd    *exec.Cmd
	tracer *trace.Tracer
	exited chan struct{}
	state  string
	once   sync.Once
}

// ChildError says that a command could not be started.
type ChildError struct {
	Command string
	Err     error
}

// Error implements error.
func (e *ChildError) Error() string {
	return fmt.Sprintf("the command %q cannot be started: %v", e.Command, cause(e.Err))
}

// Unwrap returns the cause.
func (e *ChildError) Unwrap() error { return e.Err }

func cause(err error) error {
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		return lookup.Err
	}
	return err
}

// Split splits a command line into words as a shell does, without a shell.
func Split(command string) ([]string, error) {
	words, err := splitWords(command)
	if err != nil {
		return nil, fmt.Errorf("the command %q cannot be split into words: %w", command, err)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("the command is empty")
	}
	return words, nil
}

// Start starts the process. Closing the connection ends the process.
func (c *Command) Start() (net.Conn, error) {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		ourOut.Close()
		return nil, err
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, c.Stderr
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = ownGroup()
	err = cmd.Start()
	theirOut.Close()
	if c.Left == nil || err != nil {
		theirIn.Close()
	}
	if err != nil {
		ourIn.Close()
		ourOut.Close()
		return nil, &ChildError{strings.Join(c.Args, " "), err}
	}
	p := &child{
		files: files{in: ourIn, out: ourOut, name: Addr{"exec", c.Name}},
		cmd:   cmd, tracer: c.Tracer, exited: make(chan struct{}),
	}
	c.Tracer.Emit(0, trace.Child{Command: c.Name, PID: cmd.Process.Pid})
	c.Children.add(p)
	go p.reap(c, theirIn)
	return p, nil
}

func (p *child) reap(c *Command, input *os.File) {
	_ = p.cmd.Wait()
	c.Children.remove(p)
	if c.Left != nil {
		_ = p.CloseWrite() // nothing more is written that nobody reads
		c.Left(input)
		input.Close()
	}
	p.state = p.cmd.ProcessState.String()
	p.tracer.Emit(0, trace.Child{Command: c.Name, PID: p.cmd.Process.Pid, Exit: p.state})
	close(p.exited)
}

// Exited returns a channel that is closed once the process is gone.
func (p *child) Exited() <-chan struct{} { return p.exited }

// The time that a child is given to leave by itself once its input and output
// are closed, and after it was asked to.
const (
	leaveGrace = 500 * time.Millisecond
	killGrace  = time.Second
)

// Close closes the child's input and output and waits until it is gone: it is
// terminated, and then killed, where it does not leave by itself.
func (p *child) Close() error {
	err := p.files.Close()
	p.once.Do(func() {
		for _, end := range []struct {
			after time.Duration
			by    func(*exec.Cmd)
		}{{leaveGrace, terminate}, {killGrace, kill}} {
			select {
			case <-p.exited:
				return
			case <-time.After(end.after):
				end.by(p.cmd)
			}
		}
		<-p.exited
	})
	return err
}
