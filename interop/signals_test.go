package interop

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// situations are what a signal may interrupt. Each gives a running sockkit and
// what must be gone once it has ended.
var situations = map[string]func(t *testing.T) (us *proc, gone []func() bool){
	"dial, idle": func(t *testing.T) (*proc, []func() bool) {
		it, at := serve(t, "tcp4", func(at place) program {
			return program{args: []string{"socat", "-t", "0", socatListen["tcp4"](at), "SYSTEM:echo hello; cat"}}
		})
		us := held(t, "dial", "-q", "60", at.String())
		us.out.awaitText(t, "hello")
		return us, []func() bool{func() bool { return !it.alive() }}
	},
	"listen, before anybody came": func(t *testing.T) (*proc, []func() bool) {
		dir := tempDir(t)
		us := held(t, "listen", "127.0.0.1:0", "--addr-file", dir+"/addr")
		awaitFile(t, dir+"/addr")
		return us, []func() bool{noFile(dir + "/addr")}
	},
	"listen, with a peer": func(t *testing.T) (*proc, []func() bool) {
		us := held(t, "listen", "unix:"+tempDir(t)+"/s")
		at := placeOf("unix", us.address())
		it := start(t, program{args: leaves("unix", at), hold: true})
		it.write("hello\n")
		us.out.awaitText(t, "hello")
		return us, []func() bool{noFile(at.path)}
	},
	"listen -k on a Unix socket": func(t *testing.T) (*proc, []func() bool) {
		us := held(t, "listen", "-k", "--echo", "unix:"+tempDir(t)+"/s")
		at := placeOf("unix", us.address())
		it := start(t, program{args: leaves("unix", at), hold: true})
		it.write("hello\n")
		it.out.awaitText(t, "hello")
		return us, []func() bool{noFile(at.path), func() bool { return !it.alive() }}
	},
	"listen on a Unix datagram socket": func(t *testing.T) (*proc, []func() bool) {
		us := held(t, "listen", "-k", "unixgram:"+tempDir(t)+"/s")
		_, path, _ := strings.Cut(us.address(), ":")
		return us, []func() bool{noFile(path)}
	},
	"listen -k --exec, the child busy": func(t *testing.T) (*proc, []func() bool) {
		return interruptedChild(t, "--exec", "sh -c 'echo $$; exec sleep 10000'")
	},
	"listen -k --sh, the grandchild busy": func(t *testing.T) (*proc, []func() bool) {
		return interruptedChild(t, "--sh", "sleep 10000 & echo $!; wait")
	},
	"listen --exec, deaf to SIGTERM": func(t *testing.T) (*proc, []func() bool) {
		return interruptedChild(t, "--exec", "sh -c 'trap \"\" TERM INT HUP; echo $$; exec sleep 10000'")
	},
	"dial exec:": func(t *testing.T) (*proc, []func() bool) {
		us := held(t, "dial", "exec:sh -c 'echo $$; exec sleep 10000'")
		return us, []func() bool{noProcess(firstLine(t, us.out))}
	},
}

// interruptedChild has sockkit run a command that prints a process number.
func interruptedChild(t *testing.T, args ...string) (*proc, []func() bool) {
	t.Helper()
	us := held(t, append([]string{"listen", "-k", "127.0.0.1:0"}, args...)...)
	it := start(t, program{args: leaves("tcp4", placeOf("tcp4", us.address())), hold: true})
	pid := firstLine(t, it.out)
	return us, []func() bool{noProcess(pid), func() bool { return !it.alive() }}
}

// leaves is a peer that ends once we have ended our half.
func leaves(network string, at place) []string {
	return []string{"socat", "-t", "0", "-", socatDial[network](at)}
}

func firstLine(t *testing.T, o *output) string {
	t.Helper()
	o.awaitText(t, "\n")
	line, _, _ := strings.Cut(o.String(), "\n")
	return line
}

func awaitFile(t *testing.T, name string) {
	t.Helper()
	poll(t, "the file "+name, func() bool { return !noFile(name)() })
}

func noFile(name string) func() bool {
	return func() bool {
		_, err := os.Lstat(name)
		return errors.Is(err, fs.ErrNotExist)
	}
}

func noProcess(pid string) func() bool {
	return func() bool {
		n, err := strconv.Atoi(pid)
		return err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
	}
}

// SIGINT ends with 130 and SIGTERM with 143, and neither leaves a child, a
// socket's file or a connection.
func TestSignals(t *testing.T) {
	t.Parallel()
	for name, begin := range situations {
		for signal, status := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
			t.Run(name+"/"+signal.String(), func(t *testing.T) {
				t.Parallel()
				us, gone := begin(t)
				us.signal(signal)
				us.want(status)
				for i, isGone := range gone {
					poll(t, "leftover "+strconv.Itoa(i)+" to go", isGone)
				}
				if strings.Contains(us.err.String(), "sockkit: ") {
					t.Errorf("an end that was asked for is no error: %s", us.err)
				}
			})
		}
	}
}

// The files are gone as soon as sockkit is, and a second signal ends at once
// what waits.
func TestSignalRemovesFilesBeforeItEnds(t *testing.T) {
	t.Parallel()
	dir := tempDir(t)
	us := held(t, "listen", "unix:"+dir+"/s", "--addr-file", dir+"/addr")
	awaitFile(t, dir+"/addr")
	us.signal(syscall.SIGTERM)
	us.want(143)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
