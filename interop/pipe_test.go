package interop

import (
	"slices"
	"testing"
)

// order is who ends its half first.
type order string

const (
	weFirst order = "sockkit ends first"
	itFirst order = "the peer ends first"
	atOnce  order = "both at once"
)

// pipes are the peers and what each of them can do. As servers, nc and ncat
// leave at our end, and drop what they had still to say.
var pipes = []struct {
	peer   string
	server bool // the peer listens
	orders []order
}{
	{"nc", true, []order{itFirst}},
	{"ncat", true, []order{itFirst}},
	{"socat", true, []order{weFirst, itFirst, atOnce}},
	{"nc", false, []order{weFirst, itFirst, atOnce}},
	{"ncat", false, []order{weFirst, itFirst, atOnce}},
	{"socat", false, []order{weFirst, itFirst, atOnce}},
}

// TestPipe sends random data both ways and holds the sums against each other.
// Whoever ends first gets all that the other says after that.
func TestPipe(t *testing.T) {
	t.Parallel()
	for _, row := range pipes {
		for _, network := range []string{"tcp4", "tcp6", "unix"} {
			for _, o := range row.orders {
				name := row.peer + " listens/"
				if !row.server {
					name = row.peer + " dials/"
				}
				t.Run(name+network+"/"+string(o), func(t *testing.T) {
					t.Parallel()
					us, it := connect(t, row.peer, network, row.server)
					exchange(t, us, it, o, newBlob(4*mib+7), newBlob(3*mib+1))
				})
			}
		}
	}
}

// connect starts sockkit and a peer at both ends of one connection, their
// inputs held open. -q keeps sockkit from leaving while the test is slow.
func connect(t *testing.T, peer, network string, server bool) (us, it *proc) {
	t.Helper()
	if server {
		it, at := serve(t, network, func(at place) program {
			return program{args: listenPeer[peer](at), hold: true}
		})
		return held(t, "dial", "-q", "60", at.String()), it
	}
	us = held(t, "listen", "-q", "60", newPlace(t, network).any())
	it = start(t, program{args: dialPeer[peer](placeOf(network, us.address())), hold: true})
	return us, it
}

// exchange sends ours to it and its to us, in order, and demands that both
// arrive whole and both ends leave with 0.
func exchange(t *testing.T, us, it *proc, o order, ours, its blob) {
	t.Helper()
	first, second := us, it
	send := []blob{ours, its}
	if o == itFirst {
		first, second = it, us
		slices.Reverse(send)
	}
	first.send(send[0])
	if o != atOnce {
		second.out.awaitSize(t, send[0].size)
	}
	second.send(send[1])
	us.want(0)
	it.want(0)
	us.out.want(t, us.String(), its)
	it.out.want(t, it.String(), ours)
}
