package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
	"unicode/utf8"

	"github.com/sockkit/sockkit/internal/render"
	"github.com/sockkit/sockkit/tcp"
)

const (
	// bannerSize is how much of what the peer says is kept.
	bannerSize = 1 << 10
	readSize   = 64 << 10
)

// hear sends what is to be sent and listens to what the peer says first.
func (in *Inspection) hear(ctx context.Context, conn net.Conn) error {
	if in.o.BannerWait < 0 && len(in.o.Send) == 0 {
		return nil
	}
	p := &Peer{}
	in.Report.Peer = p
	started := time.Now()
	if err := in.send(ctx, conn); err != nil {
		p.ended(err, time.Since(started))
		return nil
	}
	p.Sent = len(in.o.Send)
	if in.o.BannerWait > 0 {
		_ = conn.SetReadDeadline(time.Now().Add(in.o.BannerWait))
		stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
		p.read(conn, started, in.Report.Connection.Network == "unixgram")
		if !stop() {
			return context.Cause(ctx)
		}
		_ = conn.SetReadDeadline(time.Time{})
	}
	p.Waited = time.Since(started)
	if p.End == "" {
		p.End = EndOpen
	}
	return nil
}

// send sends the payload, if there is one, within the timeout.
func (in *Inspection) send(ctx context.Context, conn net.Conn) error {
	if len(in.o.Send) == 0 {
		return nil
	}
	_ = conn.SetWriteDeadline(time.Now().Add(in.o.Timeout))
	stop := context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })
	_, err := conn.Write(in.o.Send)
	if stop() {
		_ = conn.SetWriteDeadline(time.Time{})
	}
	return err
}

// read reads until the deadline or the peer's end, so that nothing that came
// is left behind, and keeps the beginning. Of datagrams it reads one.
func (p *Peer) read(conn net.Conn, started time.Time, datagram bool) {
	buf := make([]byte, readSize)
	for {
		n, err := conn.Read(buf)
		p.came(buf[:n], started)
		switch {
		case err != nil:
			p.ended(err, time.Since(started))
			return
		case datagram:
			p.After = time.Since(started)
			return
		}
	}
}

// came keeps what came.
func (p *Peer) came(b []byte, started time.Time) {
	if p.Size == 0 && len(b) > 0 {
		p.After = time.Since(started)
	}
	p.Size += len(b)
	keep := b[:min(len(b), bannerSize-len(p.Banner))]
	p.Banner = append(p.Banner, keep...)
	p.More = p.Size > len(p.Banner)
	if whole := wholeRunes(p.Banner, p.More); utf8.Valid(whole) {
		p.Text = string(whole)
	} else {
		p.Text = ""
	}
}

// wholeRunes leaves out a character that was cut in two.
func wholeRunes(b []byte, cut bool) []byte {
	if !cut {
		return b
	}
	for i := 1; i < utf8.UTFMax && i < len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// ended keeps how the peer ended, if it did.
func (p *Peer) ended(err error, after time.Duration) {
	var timeout net.Error
	switch {
	case err == io.EOF:
		p.End = EndClosed
	case errors.As(err, &timeout) && timeout.Timeout():
		return
	case tcp.IsReset(err):
		p.End = EndReset
	case errors.Is(err, tcp.ErrTruncated):
		p.End = EndClosed
	default:
		p.End = EndFailed
	}
	p.EndAfter, p.err = after, err
	if err != io.EOF {
		p.Error = tcp.Reason(err)
	}
}

// peerFindings says what is strange about what the peer did.
func (in *Inspection) peerFindings() {
	p, r := in.Report.Peer, in.Report
	if r.TLS != nil && r.TLS.ClientCertificate != nil && r.TLS.Version != "" && r.Error == "" {
		in.clientFinding(p.alert())
	}
	if r.TCP != nil && r.TCP.Retransmits > 0 {
		r.add(Finding{ID: Retransmitted, Severity: Note, Hint: "packets are lost on the way",
			What: fmt.Sprintf("%d of %d segments had to be sent again", r.TCP.Retransmits, r.TCP.SegmentsOut)})
	}
	if p == nil {
		return
	}
	switch {
	case p.End == EndReset:
		r.add(Finding{ID: PeerReset, Severity: Warning, What: "the peer reset the connection after " + render.Duration(p.EndAfter),
			Due: "an orderly end", Hint: "a service that crashed, or a firewall, ends connections so"})
	case p.alert() != nil && (r.TLS.ClientCertificate == nil):
		in.tlsFinding(Finding{ID: Alert, Severity: Error, What: p.Error})
	case errors.Is(p.err, tcp.ErrTruncated):
		in.tlsFinding(Finding{ID: NotClosed, Severity: Note, What: p.Error, Due: "close_notify (RFC 8446 section 6.1)"})
	case p.End == EndClosed && p.Size == 0 && p.Sent == 0:
		r.add(Finding{ID: PeerClosed, Severity: Note, What: "the peer closed after " + render.Duration(p.EndAfter) + " without a word",
			Hint: "a service that turns this address away, or is full, does so"})
	}
}

// alert is the TLS alert that the peer ended with, or nil.
func (p *Peer) alert() error {
	if p != nil && p.err != nil && isAlert(p.err) {
		return p.err
	}
	return nil
}
