package tcp

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/sockkit/sockkit/trace"
)

// KeyLogFromEnv returns a [KeyLogFile] for the file that SSLKEYLOGFILE names,
// or nil where it names none.
func KeyLogFromEnv() io.WriteCloser {
	if path := os.Getenv("SSLKEYLOGFILE"); path != "" {
		return &KeyLogFile{Path: path}
	}
	return nil
}

// KeyLogFile appends TLS secrets to a file in the NSS key log format. The file
// is opened at the first secret, and made with mode 0600 where there is none.
// Where it cannot be, the handshake fails and says so.
type KeyLogFile struct {
	Path string

	mu   sync.Mutex
	file *os.File
}

// Write implements [io.Writer]. One call is one line.
func (k *KeyLogFile) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		f, err := os.OpenFile(k.Path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, fmt.Errorf("key log: %w", err)
		}
		k.file = f
	}
	return k.file.Write(line)
}

// Close closes the file, if it was opened. A later Write opens it again.
func (k *KeyLogFile) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}

// secretLog hands key log lines to a tracer, and on to the log behind it.
type secretLog struct {
	next   io.Writer
	tracer *trace.Tracer
	id     trace.ID
}

// Write implements [io.Writer].
func (l *secretLog) Write(line []byte) (int, error) {
	l.tracer.Emit(l.id, trace.Secret{Line: strings.TrimSpace(string(line))})
	if l.next == nil {
		return len(line), nil
	}
	return l.next.Write(line)
}
