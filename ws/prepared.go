package ws

import (
	"sync"

	"github.com/sockkit/sockkit/handshake"
)

// Prepared is a message for many: it is encoded once for those who speak
// without compression, and deflated once for each set of parameters. Its bytes
// must not be changed once it is made.
type Prepared struct {
	kind    MessageType
	payload []byte

	plainOnce sync.Once
	plain     []byte // as a server sends it
	mu        sync.Mutex
	packed    map[int][]byte // by the bits of the window
}

// Prepare returns a message to be sent to many. The type is Text or Binary.
func Prepare(t MessageType, payload []byte) *Prepared { return &Prepared{kind: t, payload: payload} }

// frame is the message as a server sends it to a peer with this agreement.
func (m *Prepared) frame(e *Encoder) []byte {
	f := e.deflate
	if f == nil || f.takeover || len(m.payload) < e.compressFrom() {
		m.plainOnce.Do(func() { m.plain = (&Encoder{}).AppendMessage(nil, m.kind, m.payload) })
		return m.plain
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.packed[f.bits]; b != nil {
		return b
	}
	if m.packed == nil {
		m.packed = map[int][]byte{}
	}
	once := Encoder{CompressFrom: e.CompressFrom, deflate: newDeflater(ServerRole, handshake.Deflate{
		ServerNoContextTakeover: true, ServerMaxWindowBits: f.bits,
	})}
	b := once.AppendMessage(nil, m.kind, m.payload)
	m.packed[f.bits] = b
	return b
}
