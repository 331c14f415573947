package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sockkit/sockkit/socketio"
	"github.com/sockkit/sockkit/ws"
)

// ErrNotEngine says that what answers speaks no Engine.IO.
var ErrNotEngine = errors.New("what came is no open packet of Engine.IO 4")

// Detach makes a link of a WebSocket.
func Detach(c *ws.Conn) *Link {
	agreed := c.Agreed()
	conn, early := c.Detach()
	return &Link{Conn: conn, Early: early, Agreed: agreed}
}

// Join joins a namespace of Socket.IO on a WebSocket of Engine.IO that was just
// opened. The credentials may be nil. A refusal is a [*socketio.Error].
func Join(ctx context.Context, c *ws.Conn, namespace string, credentials map[string]any) error {
	_, p, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if len(p) == 0 || p[0] != '0' {
		return fmt.Errorf("%w: %.20q", ErrNotEngine, p)
	}
	prefix := ""
	if namespace != "/" && namespace != "" {
		prefix = namespace + ","
	}
	join := []byte("40" + prefix)
	if credentials != nil {
		auth, err := json.Marshal(credentials)
		if err != nil {
			return err
		}
		join = append(join, auth...)
	}
	if err := c.Write(ctx, ws.Text, join); err != nil {
		return err
	}
	return joined(ctx, c, prefix)
}

// joined waits for the answer.
func joined(ctx context.Context, c *ws.Conn, prefix string) error {
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if len(p) > 0 && p[0] == enginePing {
			if err := c.Write(ctx, ws.Text, []byte(enginePong)); err != nil {
				return err
			}
		}
		if bytes.HasPrefix(p, []byte("40"+prefix)) {
			return nil
		}
		if reason, ok := bytes.CutPrefix(p, []byte("44"+prefix)); ok {
			refused := &socketio.Error{}
			if json.Unmarshal(reason, refused) != nil {
				refused.Message = string(reason)
			}
			return refused
		}
	}
}
