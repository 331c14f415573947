package trace

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Bounds of a capture.
const (
	holdBytes  = 4 << 20         // of packets that wait for TLS secrets
	holdTime   = 5 * time.Second // that a connection's packets wait for its secrets
	writeBytes = 256 << 10       // that are put together before a write
)

// PCAPNG is a sink that writes a capture in pcapng form
// (draft-ietf-opsawg-pcapng), for Wireshark and tshark. It needs records up to
// level [Byte]. It is safe for concurrent use.
//
// The packets are made up around what the connections carried: raw IP with
// right addresses, order, sequence numbers and checksums, but no loss and no
// timing of the network's own. Connections that are not IP stand on loopback
// addresses and say so in a comment. docs/events.md has the particulars.
//
// Whole blocks are written at the end of each record, so that the file can be
// read as it grows. Only while a TLS handshake is under way do packets wait,
// for its secrets have to stand before them: 5 seconds or 4 MiB at the most.
//
// After the first failed Write nothing more is written; [PCAPNG.Err] tells.
type PCAPNG struct {
	mu      sync.Mutex
	w       io.Writer
	out     []byte // whole blocks, not yet written
	held    []heldPacket
	heldLen int // bytes in held
	timer   *time.Timer

	conns   map[ID]*pcapConn
	streams map[flow]ID // open IP streams, as their end here sees them
	packets uint64
	left    uint64 // records left out
	err     error
	closed  bool
}

// heldPacket is a packet block that waits.
type heldPacket struct {
	conn  *pcapConn
	block []byte
}

// NewPCAPNG writes the head of a capture to w and returns a sink that adds to
// it. It does not close w.
func NewPCAPNG(w io.Writer) (*PCAPNG, error) {
	p := &PCAPNG{w: w, conns: map[ID]*pcapConn{}, streams: map[flow]ID{}}
	p.out = appendInterface(appendSection(nil))
	p.flush()
	return p, p.err
}

// Close writes what still waits and the capture's statistics. Records that
// come later are dropped. It returns what Err returns.
func (p *PCAPNG) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return p.err
	}
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, h := range p.held {
		p.out = append(p.out, h.block...)
	}
	p.held = nil
	p.out = appendStatistics(p.out, time.Now(), p.packets, p.left)
	p.flush()
	return p.err
}

// Err returns the first error of a write.
func (p *PCAPNG) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Record implements [Sink].
func (p *PCAPNG) Record(r Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.take(r)
	p.flush()
}

// take turns one record into blocks.
func (p *PCAPNG) take(r Record) {
	switch e := r.Event.(type) {
	case Open:
		p.open(r, e)
	case Bytes:
		p.bytes(r, e)
	case Datagram:
		p.datagram(r, e)
	case HalfClose:
		p.halfClose(r, e)
	case Close:
		p.close(r, e)
	case TLSStart, TLS, TLSFailed:
		p.handshake(r)
	case Secret:
		p.secret(e)
	default:
		p.comment(r)
	}
}

// handshake notes that packets begin or cease to wait for secrets.
func (p *PCAPNG) handshake(r Record) {
	c := p.conns[r.Conn]
	if c == nil {
		return
	}
	c.tls = true
	if _, begins := r.Event.(TLSStart); begins {
		c.holding, c.deadline = true, time.Time{}
		return
	}
	c.holding = false
	p.release()
}

// secret writes a Decryption Secrets Block, ahead of the packets that wait.
func (p *PCAPNG) secret(e Secret) {
	if len(e.Line) > maxSecret {
		p.left++
		return
	}
	p.out = appendSecrets(p.out, e.Line)
}

// comment keeps what a record says for the next packet of its connection.
func (p *PCAPNG) comment(r Record) {
	c := p.conns[r.Conn]
	if c == nil {
		return
	}
	switch e := r.Event.(type) {
	case Note:
		c.comment(e.Text)
	case Fault:
		c.comment(fmt.Sprintf("fault %s, %s: %d bytes, %v", e.Kind, e.Dir, e.Size, e.Delay))
	case Limit:
		c.comment(fmt.Sprintf("limit %s: %s", e.Rule, e.Reason))
	case TurnedAway:
		c.comment(fmt.Sprintf("turned away by %s: %s", e.Rule, e.Reason))
	case Proxy:
		c.comment(fmt.Sprintf("%s proxy %s passes on to %s", e.Kind, e.Via, e.Target))
	case Child:
		c.comment(childComment(e))
	case Upgrade:
		c.comment("WebSocket is open: " + e.Target)
	case UpgradeFailed:
		c.comment("the opening handshake failed: " + e.Error)
	case Finding:
		c.comment(fmt.Sprintf("%s (%s, %s): %s came: %s", e.Rule, e.Clause, e.Binding, e.Summary, e.Came))
	}
}

// childComment says what a record of a child process says.
func childComment(e Child) string {
	if e.Exit != "" {
		return fmt.Sprintf("child %d ended: %s", e.PID, e.Exit)
	}
	return fmt.Sprintf("child %d started: %s", e.PID, e.Command)
}

// place leaves the block at the end of p.out where it is, or takes it away to
// wait if its connection or a packet before it waits.
func (p *PCAPNG) place(c *pcapConn, start int) {
	p.packets++
	if len(p.held) == 0 && !c.holding {
		if len(p.out) > writeBytes {
			p.flush()
		}
		return
	}
	block := append([]byte(nil), p.out[start:]...)
	p.out = p.out[:start]
	p.held = append(p.held, heldPacket{c, block})
	p.heldLen += len(block)
	if c.holding && c.deadline.IsZero() {
		c.deadline = time.Now().Add(holdTime)
	}
	if len(p.held) == 1 {
		p.wake(holdTime)
	}
	for p.heldLen > holdBytes {
		p.giveUp(p.held[0].conn)
	}
}

// release lets go of the packets before the first whose connection waits.
func (p *PCAPNG) release() {
	n := 0
	for n < len(p.held) && !p.held[n].conn.holding {
		p.out = append(p.out, p.held[n].block...)
		p.heldLen -= len(p.held[n].block)
		n++
	}
	clear(p.held[:n])
	p.held = p.held[n:]
	if len(p.held) == 0 {
		p.held = nil
	}
}

// giveUp lets a connection's packets go before its handshake has ended.
func (p *PCAPNG) giveUp(c *pcapConn) {
	c.holding = false
	c.comment("the packets of this TLS handshake waited too long for its secrets; " +
		"a secret that came later stands behind them, and a reader may fail to decrypt")
	p.release()
}

// wake has expire called after d.
func (p *PCAPNG) wake(d time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(d, p.expire)
		return
	}
	p.timer.Reset(d)
}

// expire gives up the connections that have waited for too long.
func (p *PCAPNG) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	for len(p.held) > 0 {
		first := p.held[0].conn
		if wait := time.Until(first.deadline); wait > 0 {
			p.wake(wait)
			break
		}
		p.giveUp(first)
	}
	p.flush()
}

// flush writes the blocks that are whole.
func (p *PCAPNG) flush() {
	if p.err == nil && len(p.out) > 0 {
		if _, err := p.w.Write(p.out); err != nil {
			p.err = fmt.Errorf("trace: writing a capture: %w", err)
		}
	}
	p.out = p.out[:0]
	if cap(p.out) > keepBuffer {
		p.out = nil
	}
}
