package audit

import (
	"fmt"

	"github.com/sockkit/sockkit/handshake"
)

// aboutRequests are what all attempts together say about a client.
func aboutRequests(attempts []*Attempt) []Row {
	row := func(id, clause, sends, due, why, mend string, v Verdict) Row {
		return Row{ID: id, Group: Conformance, Clause: clause, Binding: handshake.Must, Verdict: v.Kind, Weighty: v.Kind == Finding,
			Sent: sends, Due: due, Came: v.Text, Why: why, Mend: mend, Asked: len(attempts)}
	}
	return []Row{
		row("request", "RFC 6455 4.1", "nothing yet: the client's requests", "requests that keep every rule", "A server has to refuse what breaks a rule.", "handshake listen shows each request with all that is wrong in it.", requestsRight(attempts)),
		row("key-fresh", "RFC 6455 4.1 item 7", "nothing yet: the client's keys", "another key in each request", "A key that is known before lets others make a response that fits.", "Take 16 bytes from the system's random source for each connection.", keysDiffer(attempts)),
		row("client-masks", "RFC 6455 5.1", "a ping", "frames with a mask", "The mask keeps a page from making a client write bytes that a proxy in between takes for a request.", "Set the MASK bit, and XOR the payload with four random bytes.", framesMasked(attempts)),
		row("mask-fresh", "RFC 6455 5.3", "a ping, on each connection", "another mask for each frame", "A mask that is known beforehand hides nothing.", "Take four bytes from the system's random source for each frame.", masksDiffer(attempts)),
	}
}

func requestsRight(attempts []*Attempt) Verdict {
	for _, a := range attempts {
		for _, f := range handshake.Check(&handshake.Exchange{Request: a.Request, Early: a.Early}) {
			if f.Level == handshake.Must {
				return finding(f.Sentence())
			}
		}
	}
	return Verdict{Pass, fmt.Sprintf("%s that keep the rules", plural(len(attempts), "request"))}
}

func keysDiffer(attempts []*Attempt) Verdict {
	seen := map[string]bool{}
	for _, a := range attempts {
		key := a.Request.Get("Sec-WebSocket-Key")
		if seen[key] {
			return finding("the same key came twice: " + key)
		}
		seen[key] = true
	}
	if len(attempts) < 2 {
		return Verdict{Undecided, "there was one request only"}
	}
	return Verdict{Pass, plural(len(seen), "key") + ", all different"}
}

func framesMasked(attempts []*Attempt) Verdict {
	n := 0
	for _, a := range attempts {
		for i := range a.Frames {
			if n++; !a.Frames[i].Masked {
				return finding("a frame without a mask")
			}
		}
	}
	if n == 0 {
		return Verdict{Undecided, "it sent no frame"}
	}
	return Verdict{Pass, plural(n, "frame") + " with a mask"}
}

func masksDiffer(attempts []*Attempt) Verdict {
	seen, n := map[[4]byte]bool{}, 0
	for _, a := range attempts {
		for i := range a.Frames {
			if f := &a.Frames[i]; f.Masked && f.Size > 0 {
				n++
				seen[f.Mask] = true
			}
		}
	}
	switch {
	case n < 4:
		return Verdict{Undecided, fmt.Sprintf("%s with a mask came", plural(n, "frame"))}
	case len(seen) <= n/2: // two in four billion are the same by chance
		return finding(fmt.Sprintf("%d frames had %s", n, plural(len(seen), "mask")))
	}
	return Verdict{Pass, fmt.Sprintf("%s, %d masks", plural(n, "frame"), len(seen))}
}
