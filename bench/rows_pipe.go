//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"github.com/sockkit/sockkit/bench/internal/proc"
)

// pipeEnds are two programs that make a pipe over TCP: one takes standard input
// to the other, which writes what comes to standard output.
type pipeEnds struct {
	name          string
	needs         string
	send, receive func(port string) []string
	target        float64
}

func pipes() []pipeEnds {
	socat := func(name string, target float64, options ...string) pipeEnds {
		start := append([]string{"socat", "-u"}, options...)
		return pipeEnds{name, "socat",
			func(port string) []string {
				return append(start[:len(start):len(start)], "STDIN", "TCP4:127.0.0.1:"+port)
			},
			func(port string) []string {
				return append(start[:len(start):len(start)], "TCP4-LISTEN:"+port+",bind=127.0.0.1", "STDOUT")
			}, target}
	}
	return []pipeEnds{
		{"sockkit", "sockkit",
			func(port string) []string { return []string{"sockkit", "dial", "127.0.0.1", port} },
			func(port string) []string { return []string{"sockkit", "listen", "127.0.0.1:" + port} }, 0},
		{"nc", "nc",
			func(port string) []string { return []string{"nc", "-N", "127.0.0.1", port} },
			func(port string) []string { return []string{"nc", "-l", "127.0.0.1", port} }, 0},
		{"ncat", "ncat",
			func(port string) []string { return []string{"ncat", "--send-only", "127.0.0.1", port} },
			func(port string) []string { return []string{"ncat", "--recv-only", "-l", "127.0.0.1", port} }, 0},
		socat("socat", 0),
		socat("socat -b1048576", 0.6, "-b1048576"),
		{"C splice", "limit",
			func(port string) []string { return []string{"limit", "send", port} },
			func(port string) []string { return []string{"limit", "receive", port} }, 1.2},
	}
}

func (l *lab) pipe() row {
	r := row{id: "tcp-pipe", work: "TCP pipe, head -c into dial, listen >/dev/null, both ends", unit: "CPU s/GiB"}
	for _, ends := range pipes() {
		r.contestants = append(r.contestants, contestant{
			name:    ends.name,
			missing: l.lacking("head", ends.needs),
			target:  ends.target,
			check:   func() error { return l.checkPipe(ends) },
			turn:    func() (float64, error) { return l.pour(ends) },
		})
	}
	return r
}

// pour has head -c write into the pipe, and returns the CPU seconds a GiB that
// its two ends took, start and end included.
func (l *lab) pour(ends pipeEnds) (float64, error) {
	size := l.scaled(1 << 30)
	read, write, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer read.Close()
	head := l.command([]string{"head", "-c", strconv.FormatInt(size, 10), "/dev/zero"}, l.loader)
	head.Stdout = write
	source, err := head.Start()
	write.Close()
	if err != nil {
		return 0, err
	}
	defer source.Stop()
	took, err := l.through(ends, read, nil)
	return took.Seconds() / float64(size) * (1 << 30), err
}

// through starts both ends, the receiving one on the server's core, and waits for both.
func (l *lab) through(ends pipeEnds, in, out *os.File) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	port, err := proc.FreePort("tcp")
	if err != nil {
		return 0, err
	}
	command := l.command(ends.receive(strconv.Itoa(port)), l.server)
	command.Stdout = out
	receiver, err := command.Start()
	if err != nil {
		return 0, err
	}
	defer receiver.Stop()
	if err := receiver.Bound(ctx, "tcp", port); err != nil {
		return 0, err
	}
	command = l.command(ends.send(strconv.Itoa(port)), l.loader)
	command.Stdin = in
	sender, err := command.Start()
	if err != nil {
		return 0, err
	}
	defer sender.Stop()
	sent, err := sender.Wait(ctx)
	if err != nil {
		return 0, err
	}
	received, err := receiver.Wait(ctx)
	return sent + received, err
}

// checkPipe holds what comes out against what went in.
func (l *lab) checkPipe(ends pipeEnds) error {
	data := make([]byte, 8<<20+1)
	rand.NewChaCha8([32]byte{1}).Read(data)
	in, feed, err := os.Pipe()
	if err != nil {
		return err
	}
	defer in.Close()
	drain, out, err := os.Pipe()
	if err != nil {
		return errors.Join(err, feed.Close())
	}
	defer drain.Close()
	go func() {
		defer feed.Close()
		io.Copy(feed, bytes.NewReader(data))
	}()
	hash, summed := sha256.New(), make(chan error, 1)
	go func() {
		_, err := io.Copy(hash, drain)
		summed <- err
	}()
	_, err = l.through(ends, in, out)
	out.Close()
	if err = errors.Join(err, <-summed); err != nil {
		return err
	}
	if want := sha256.Sum256(data); !bytes.Equal(want[:], hash.Sum(nil)) {
		return fmt.Errorf("%s: what came out is not what went in", ends.name)
	}
	return nil
}
