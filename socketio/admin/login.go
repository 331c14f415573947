package admin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/sockkit/sockkit/socketio"
)

// Sessions keeps who has logged in. Its methods may be called by any goroutine,
// and may block.
type Sessions interface {
	// Save keeps the id of a session for a time.
	Save(ctx context.Context, id string, lasts time.Duration) error
	// Exists reports whether an id is that of a session.
	Exists(ctx context.Context, id string) (bool, error)
}

// HashPassword makes the hash of a password, for [Options.PasswordHash]. It is an
// error for more than 72 bytes, of which bcrypt would drop the rest.
func HashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("admin: the password: %w", err)
	}
	return string(hash), nil
}

// IsHash reports whether text is a hash as HashPassword makes it, and no password.
func IsHash(text string) bool {
	_, err := bcrypt.Cost([]byte(text))
	return err == nil && len(text) == 60
}

// What a page is told that is not let in. The page knows the first.
var (
	errCredentials = errors.New("invalid credentials")
	errBusy        = errors.New("too many logins at once, try again")
)

// admit is the middleware of the namespace.
func (a *admin) admit(s *socketio.Socket) error {
	if a.NoAuth || a.known(s) {
		return nil
	}
	err := a.login(s)
	if err != nil {
		a.note("a login from %s is refused: %v", s.Handshake().Address, err)
	}
	return err
}

func (a *admin) login(s *socketio.Socket) error {
	if a.Authenticate != nil {
		return a.Authenticate(s)
	}
	auth := s.Handshake().Auth
	name, _ := auth["username"].(string)
	password, ok := auth["password"].(string)
	if !ok {
		return errCredentials
	}
	if err := a.logins.enter(s.Context()); err != nil {
		return err
	}
	defer a.logins.leave()
	// Both are compared in any case: how long it takes tells nothing about the name.
	right := subtle.ConstantTimeCompare([]byte(name), []byte(a.Username)) == 1
	if bcrypt.CompareHashAndPassword([]byte(a.PasswordHash), []byte(password)) != nil || !right {
		return errCredentials
	}
	return nil
}

// loginQueue has passwords compared one at a time: each takes tens of milliseconds
// of a processor, and whoever guesses is to have no more of it.
type loginQueue struct{ waiting, turn chan struct{} }

const mostLogins = 64 // that wait

func newLoginQueue() loginQueue {
	return loginQueue{make(chan struct{}, mostLogins), make(chan struct{}, 1)}
}

func (q loginQueue) enter(ctx context.Context) error {
	select {
	case q.waiting <- struct{}{}:
	default:
		return errBusy
	}
	select {
	case q.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		<-q.waiting
		return errCredentials // nobody hears it
	}
}

func (q loginQueue) leave() {
	<-q.turn
	<-q.waiting
}

// known reports whether a page shows the id of a session.
func (a *admin) known(s *socketio.Socket) bool {
	id, _ := s.Handshake().Auth["sessionId"].(string)
	if id == "" || len(id) > 128 {
		return false
	}
	found, err := a.Sessions.Exists(s.Context(), id)
	if err != nil {
		a.namespace.AdapterError(fmt.Errorf("admin: the session of a page: %w", err))
	}
	return err == nil && found
}

// begin gives a page that has logged in a session.
func (a *admin) begin(s *socketio.Socket) {
	if a.NoAuth || a.known(s) {
		return
	}
	id := rand.Text()
	if err := a.Sessions.Save(s.Context(), id, a.SessionDuration); err != nil {
		a.namespace.AdapterError(fmt.Errorf("admin: the session of a page: %w", err))
		return
	}
	if m, ok := a.Sessions.(*memory); ok {
		digest, until := m.digest(id), time.Now().Add(a.SessionDuration)
		if err := a.namespace.ServerSideEmit(serverSession, digest, until.UnixMilli()); err != nil {
			a.namespace.AdapterError(fmt.Errorf("admin: the session of a page: %w", err))
		}
	}
	a.outbox.add(message{to: s, event: "session", args: []any{id}})
}

// serverSession tells other servers of a session: its digest, and until when it
// counts, in milliseconds since 1970.
const serverSession = "sockkit-admin:session"

func (a *admin) sessionElsewhere(digest string, until int64) {
	if m, ok := a.Sessions.(*memory); ok && len(digest) == 2*sha256.Size {
		m.keep(digest, time.UnixMilli(until))
	}
}

// memory keeps sessions by their digests.
type memory struct {
	mu    sync.Mutex
	until map[string]time.Time
}

const mostSessions = 10000

func (*memory) digest(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// Save implements [Sessions].
func (m *memory) Save(_ context.Context, id string, lasts time.Duration) error {
	m.keep(m.digest(id), time.Now().Add(lasts))
	return nil
}

func (m *memory) keep(digest string, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until == nil {
		m.until = map[string]time.Time{}
	}
	if len(m.until) >= mostSessions {
		m.makeRoom()
	}
	m.until[digest] = until
}

// makeRoom drops the sessions that are over, or else the oldest.
func (m *memory) makeRoom() {
	now, oldest := time.Now(), ""
	for digest, until := range m.until {
		if until.Before(now) {
			delete(m.until, digest)
		} else if oldest == "" || until.Before(m.until[oldest]) {
			oldest = digest
		}
	}
	if len(m.until) >= mostSessions {
		delete(m.until, oldest)
	}
}

// Exists implements [Sessions].
func (m *memory) Exists(_ context.Context, id string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	until, ok := m.until[m.digest(id)]
	return ok && time.Now().Before(until), nil
}
