package socketio

import (
	"testing"

	"github.com/sockkit/sockkit/internal/leaks"
)

// TestMain holds that no test leaves a goroutine behind: of this package, of
// those below it, or of an HTTP connection.
func TestMain(m *testing.M) { leaks.Main(m, `sockkit/(socketio|socketio/engine|ws|tcp)\.`+leaks.HTTP) }
