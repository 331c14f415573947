package interop

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program says what to start.
type program struct {
	args []string
	env  []string // beside ours
	in   io.Reader
	hold bool      // standard input is a pipe that the test holds open
	out  io.Writer // in place of a captured standard output
}

// proc is a program that runs, in a process group of its own. What is left of
// the group is killed at the end of the test.
type proc struct {
	t        testing.TB
	cmd      *exec.Cmd
	in       io.WriteCloser // where hold was asked for
	out, err *output
	done     chan struct{}
	empty    bool // nothing was left of the group when it ended
}

// start starts a program.
func start(t testing.TB, p program) *proc {
	t.Helper()
	r, err := tryStart(t, p)
	if err != nil {
		t.Fatalf("%s: %v", strings.Join(p.args, " "), err)
	}
	return r
}

func tryStart(t testing.TB, p program) (*proc, error) {
	r := &proc{t: t, cmd: exec.Command(p.args[0], p.args[1:]...), out: newOutput(), err: newOutput(), done: make(chan struct{})}
	r.cmd.Env = append(environment(), p.env...)
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	r.cmd.WaitDelay = patience // a grandchild that holds the output is an error
	r.cmd.Stdin, r.cmd.Stdout, r.cmd.Stderr = p.in, r.out, r.err
	if p.out != nil {
		r.cmd.Stdout = p.out
	}
	if p.hold {
		in, err := r.cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		r.in = in
	}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = r.cmd.Wait()
		r.empty = errors.Is(syscall.Kill(-r.pid(), 0), syscall.ESRCH)
		close(r.done)
	}()
	t.Cleanup(r.end)
	return r, nil
}

// environment is ours without what would change what programs do.
func environment() []string {
	env := []string{"LC_ALL=C.UTF-8", "TERM=dumb"}
	for _, e := range os.Environ() {
		name, _, _ := strings.Cut(e, "=")
		switch strings.ToLower(name) {
		case "sslkeylogfile", "http_proxy", "https_proxy", "all_proxy", "no_proxy", "no_color", "clicolor_force", "lc_all", "term":
		default:
			env = append(env, e)
		}
	}
	return env
}

// sockkit starts sockkit without input.
func sockkit(t testing.TB, args ...string) *proc {
	t.Helper()
	return start(t, sockkitProgram(args...))
}

// held starts sockkit with an input that stays open until the test closes it.
func held(t testing.TB, args ...string) *proc {
	t.Helper()
	p := sockkitProgram(args...)
	p.hold = true
	return start(t, p)
}

// fed starts sockkit with this input.
func fed(t testing.TB, in io.Reader, args ...string) *proc {
	t.Helper()
	p := sockkitProgram(args...)
	p.in = in
	return start(t, p)
}

func sockkitProgram(args ...string) program {
	return program{args: append([]string{bin}, args...)}
}

// end kills what is left of the group, and tells what was said where the test
// failed. Of a group of which nothing was left the number may be another's by now.
func (p *proc) end() {
	if p.alive() || !p.empty {
		_ = syscall.Kill(-p.pid(), syscall.SIGKILL)
	}
	<-p.done
	if p.t.Failed() {
		p.t.Logf("%s\n  %v; %d bytes on standard output\n  standard error: %s", p, p.cmd.ProcessState, p.out.size(), tail(p.err.String()))
	}
}

func tail(s string) string { return s[max(0, len(s)-4000):] }

// String returns the command line.
func (p *proc) String() string {
	return strings.Replace(strings.Join(p.cmd.Args, " "), bin, "sockkit", 1)
}

func (p *proc) pid() int { return p.cmd.Process.Pid }

func (p *proc) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait waits for the end and returns the exit status.
func (p *proc) wait() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("%s did not end in %v", p, patience)
	}
	return p.cmd.ProcessState.ExitCode()
}

// want waits for the end and demands an exit status.
func (p *proc) want(status int) {
	p.t.Helper()
	if got := p.wait(); got != status {
		p.t.Errorf("%s: exit status %d; want %d\n%s", p, got, status, tail(p.err.String()))
	}
}

// wantSays is want, and standard error has to match each pattern.
func (p *proc) wantSays(status int, patterns ...string) {
	p.t.Helper()
	p.want(status)
	if strings.Contains(p.err.String(), " 0 bytes of input were not delivered") {
		p.t.Errorf("%s: nothing that was not delivered is no news: %s", p, p.err)
	}
	for _, pattern := range patterns {
		if !regexp.MustCompile("(?m)" + pattern).MatchString(p.err.String()) {
			p.t.Errorf("%s: standard error has nothing like /%s/:\n%s", p, pattern, tail(p.err.String()))
		}
	}
}

// signal sends a signal to the process alone.
func (p *proc) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v to %s: %v", s, p, err)
	}
}

// send writes the blob to the input that is held, in the background, and closes
// it. What could not be written shows at the other end.
func (p *proc) send(b blob) {
	go func() {
		_, _ = io.Copy(p.in, b.reader())
		p.in.Close()
	}()
}

// write writes to the input that is held.
func (p *proc) write(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, s); err != nil {
		p.t.Fatalf("writing to %s: %v", p, err)
	}
}

var listeningOn = regexp.MustCompile(`(?m)^listening on (\S+)$`)

// address is where sockkit listens, from the line that says so.
func (p *proc) address() string {
	p.t.Helper()
	var found []string
	await(p.t, p.String()+" to listen", p.errOrEnd, func() bool {
		found = listeningOn.FindStringSubmatch(p.err.String())
		return found != nil || !p.alive()
	})
	if found == nil {
		p.t.Fatalf("%s ended and has not listened: %s", p, p.err)
	}
	return found[1]
}

// errOrEnd is an event: something was said, or the process has ended.
func (p *proc) errOrEnd() <-chan struct{} { return p.orEnd(p.err.event()) }

// outOrEnd is the same for standard output.
func (p *proc) outOrEnd() <-chan struct{} { return p.orEnd(p.out.event()) }

// awaitOutput waits until n bytes have been written, or none will be.
func (p *proc) awaitOutput(n int64) {
	p.t.Helper()
	await(p.t, fmt.Sprintf("%d bytes from %s", n, p), p.outOrEnd, func() bool { return p.out.size() >= n || !p.alive() })
}

func (p *proc) orEnd(said <-chan struct{}) <-chan struct{} {
	either := make(chan struct{})
	go func() {
		defer close(either)
		select {
		case <-said:
		case <-p.done:
		}
	}()
	return either
}

// port is the port that sockkit listens on.
func (p *proc) port() string {
	p.t.Helper()
	a := p.address()
	return a[strings.LastIndexByte(a, ':')+1:]
}

// peak is the most memory that the process has used so far, in bytes.
func (p *proc) peak() int64 {
	p.t.Helper()
	return p.status("VmHWM:")
}

// status is a size from the process's status, in bytes.
func (p *proc) status(name string) int64 {
	p.t.Helper()
	for _, fields := range rows(fmt.Sprintf("/proc/%d/status", p.pid())) {
		if len(fields) == 3 && fields[0] == name {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return kib << 10
		}
	}
	p.t.Fatalf("%s has no %s it has ended", p, name)
	return 0
}
