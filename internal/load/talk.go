package load

// talk makes the bytes of the messages of one connection, and reads its answers.
type talk interface {
	// add appends message n as it goes over the wire.
	add(dst []byte, n int64) []byte
	// take reads what came, and tells f. It may change b.
	take(f *flow, b []byte) error
	// bye appends what is said before the connection is closed.
	bye(dst []byte) []byte
}

func (r *run) newTalk(l *Link, index uint32) talk {
	switch r.Kind {
	case Datagram:
		return &datagramTalk{body: r.body, index: index}
	case WebSocket, SocketIO:
		return newWebTalk(r, l, index)
	}
	return &streamTalk{body: r.body, index: index}
}

// streamTalk tells messages from each other by their size alone.
type streamTalk struct {
	*body
	index uint32
	at    int  // bytes of the next answer that have come
	warm  bool // it is one that nobody waits for
}

func (t *streamTalk) add(dst []byte, n int64) []byte { return t.append(dst, t.index, n) }

func (t *streamTalk) bye(dst []byte) []byte { return dst }

func (t *streamTalk) take(f *flow, b []byte) error {
	for len(b) > 0 && f.awaits() {
		n := min(len(b), len(t.text)-t.at)
		if at := t.odd(f, b[:n]); at >= 0 || f.surprised() {
			return f.mismatch(at, 0)
		}
		t.at, b = t.at+n, b[n:]
		switch {
		case t.at < len(t.text):
		case t.warm:
			t.at, t.warm = 0, false
			f.greeted(true)
		default:
			t.at = 0
			f.answered(f.back)
		}
	}
	return nil
}

// odd returns where p differs from what is due; -1 where it does not. In
// Broadcast it may be a message that nobody waits for.
func (t *streamTalk) odd(f *flow, p []byte) int {
	if t.warm {
		return t.differs(p, t.at, f.from, warm)
	}
	at := t.differs(p, t.at, f.from, f.back)
	if at >= 0 && f.run.Mode == Broadcast && t.at < t.mark && t.differs(p, t.at, f.from, warm) < 0 {
		t.warm = true
		return -1
	}
	return at
}

// datagramTalk has a message in each datagram. They may come in any order, and
// more than once.
type datagramTalk struct {
	*body
	index uint32
}

func (t *datagramTalk) add(dst []byte, n int64) []byte { return t.append(dst, t.index, n) }

func (t *datagramTalk) bye(dst []byte) []byte { return dst }

func (t *datagramTalk) take(f *flow, b []byte) error {
	if !f.awaits() {
		return nil
	}
	n, modulus := t.number(b)
	if n < 0 {
		return &Mismatch{Message: -1}
	}
	// Of all numbers that end like this one it is the last that was sent.
	n += (f.sent - 1 - n) / modulus * modulus
	if n < 0 || n >= f.sent {
		return &Mismatch{Message: -1}
	}
	if len(b) != len(t.text) {
		return f.mismatchOf(n, 0, len(b))
	}
	if at := t.differs(b, 0, t.index, n); at >= 0 {
		return f.mismatchOf(n, at, 0)
	}
	if !f.answered(n) {
		f.run.late.Add(1)
	}
	return nil
}
