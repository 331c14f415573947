package udp

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrTooLarge says that a datagram is larger than can be sent whole.
	ErrTooLarge = errors.New("datagram too large")
	// ErrTruncated says that a datagram did not fit into the buffer.
	ErrTruncated = errors.New("datagram truncated")
	// ErrServerClosed is returned by [Server.Serve] after Shutdown or Close.
	ErrServerClosed = errors.New("udp: server closed")
	// ErrIdle is why a server forgot a peer that was silent for long.
	ErrIdle = errors.New("nothing came for the idle time")
	// ErrNoName says that a Unix peer has no name that could be replied to.
	ErrNoName = errors.New("the peer has bound no name to reply to")
)

// Error is a failure of one operation on one address.
type Error struct {
	Op      string // dial, listen, accept, serve, probe
	Address string // as the user writes it: udp://127.0.0.1:1
	Err     error
}

// Error implements error.
func (e *Error) Error() string { return e.Op + " " + e.Address + ": " + reason(e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout implements [net.Error].
func (e *Error) Timeout() bool {
	var timeout interface{ Timeout() bool }
	return errors.As(e.Err, &timeout) && timeout.Timeout()
}

// Temporary implements [net.Error].
func (e *Error) Temporary() bool { return e.Timeout() }

// TooLargeError is an [ErrTooLarge] with its figures.
type TooLargeError struct {
	Size  int // bytes of the datagram
	Limit int // bytes that would have passed; 0 if not known
}

// Error implements error.
func (e *TooLargeError) Error() string {
	if e.Limit == 0 {
		return fmt.Sprintf("a datagram of %s bytes is larger than the socket or the path takes", grouped(e.Size))
	}
	return fmt.Sprintf("a datagram of %s bytes is larger than %s, the most that can be sent",
		grouped(e.Size), grouped(e.Limit))
}

// Is makes the error an [ErrTooLarge].
func (e *TooLargeError) Is(target error) bool { return target == ErrTooLarge }

// TruncatedError is an [ErrTruncated] with its figures.
type TruncatedError struct {
	Size int // bytes of the datagram; as many as Kept if not known
	Kept int // bytes that fitted
}

// Error implements error.
func (e *TruncatedError) Error() string {
	if e.Size <= e.Kept {
		return fmt.Sprintf("a datagram was cut to the %s bytes of the buffer", grouped(e.Kept))
	}
	return fmt.Sprintf("a datagram of %s bytes was cut to the %s of the buffer", grouped(e.Size), grouped(e.Kept))
}

// Is makes the error an [ErrTruncated].
func (e *TruncatedError) Is(target error) bool { return target == ErrTruncated }

// Refusal is an error of [Server.Allow] that names the rule besides the reason.
type Refusal struct {
	Rule   string // as the user knows it: deny, allow, ...
	Reason string
}

// Error implements error.
func (r *Refusal) Error() string { return r.Reason }

// PanicError is a panic in a callback of a [Server].
type PanicError struct {
	Value any
	Stack []byte
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in a callback: %v", e.Value) }

// grouped writes n with commas: 65,507.
func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", grouped(n/1000), n%1000)
}

// checkSize refuses what UDP cannot carry.
func checkSize(size int) error {
	if size > MaxPayload {
		return &TooLargeError{Size: size, Limit: MaxPayload}
	}
	return nil
}

// reason words a cause without the operations and addresses that package net
// puts in front of it.
func reason(err error) string {
	switch e := err.(type) {
	case *net.OpError:
		return reason(e.Err)
	case *os.SyscallError:
		return reason(e.Err)
	case *net.DNSError:
		return e.Error()
	}
	return err.Error()
}

// and adds what went wrong while cleaning up after err, which is rarely
// anything.
func and(err error, later ...error) error {
	for _, l := range later {
		if err == nil {
			err = l
		} else if l != nil {
			err = fmt.Errorf("%w; then %w", err, l)
		}
	}
	return err
}

// attemptError is one address of several that could not be dialled.
type attemptError struct {
	address string
	err     error
}

type attemptErrors []attemptError

// Error says each cause, in one line.
func (e attemptErrors) Error() string {
	causes := make([]string, len(e))
	for i, f := range e {
		causes[i] = f.address + ": " + reason(f.err)
	}
	return strings.Join(causes, "; ")
}

// Unwrap lists the causes for errors.Is and errors.As.
func (e attemptErrors) Unwrap() []error {
	causes := make([]error, len(e))
	for i, f := range e {
		causes[i] = f.err
	}
	return causes
}

// hasGone tells a Unix peer that will not come back under its name.
func hasGone(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNRESET)
}

// opError gives a failure of a transfer the form of package net's.
func opError(op string, l *link, remote net.Addr, err error) error {
	var done *net.OpError
	if errors.As(err, &done) {
		err = done.Err
	}
	return &net.OpError{Op: op, Net: l.network, Source: l.conn.LocalAddr(), Addr: remote, Err: err}
}

// display writes an address as the user would: udp://host:port, unixgram:path.
func display(network, address string) string {
	if network == unixgram {
		return "unixgram:" + address
	}
	return "udp://" + address
}
