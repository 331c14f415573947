package render

import (
	"fmt"

	"github.com/sockkit/sockkit/trace"
)

// socketIO words the records of Engine.IO, Socket.IO and its adapters; ok is false for those of
// others.
func socketIO(e trace.Event) (dir trace.Dir, lines []string, ok bool) {
	switch e := e.(type) {
	case trace.EIOPacket:
		return e.Dir, payload(enginePacket(e), e.Payload), true
	case trace.SIOPacket:
		return e.Dir, payload(socketIOPacket(e), e.Payload), true
	case trace.AdapterMessage:
		dir, head := adapterMessage(e)
		return dir, one(head + jsonText(e.Payload)), true
	case trace.AdapterRequest:
		return trace.None, one(adapterRequest(e)), true
	}
	return trace.None, nil, false
}

func enginePacket(e trace.EIOPacket) string {
	s := fmt.Sprintf("Engine.IO %s", printable(e.Type))
	if e.Binary {
		s += ", binary"
	}
	if e.Size > 0 {
		s += ", " + bytesOf(e.Size)
	}
	return s + " by " + printable(e.Transport)
}
