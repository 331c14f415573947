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
	at    int // bytes of the next answer that have come
}

func (t *streamTalk) add(dst []byte, n int64) []byte { return t.append(dst, t.index, n) }

func (t *streamTalk) bye(dst []byte) []byte { return dst }

func (t *streamTalk) take(f *flow, b []byte) error {
	for len(b) > 0 && f.awaits() {
		n := min(len(b), len(t.text)-t.at)
		if at := t.differs(b[:n], t.at, f.from, f.back); at >= 0 || f.surprised() {
			return f.mismatch(at, 0)
		}
		t.at, b = t.at+n, b[n:]
		if t.at == len(t.text) {
			t.at = 0
			f.answered(f.back)
		}
	}
	return nil
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
