package capture

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
)

// mostSecrets bounds the lines of key logs that are kept.
const mostSecrets = 200_000

// keyLog holds secrets of TLS, by the random of the client's hello
// (draft-ietf-tls-keylogfile).
type keyLog struct {
	lines map[string][]secretLine
	count int
}

type secretLine struct {
	label  string
	secret []byte
}

// read takes a whole key log.
func (k *keyLog) read(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 4096)
	for {
		line, err := lines.ReadSlice('\n')
		k.line(string(line))
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull): // a line so long is none of a key log
			return err
		}
	}
}

// add takes the text of a block of secrets.
func (k *keyLog) add(text []byte) { _ = k.read(bytes.NewReader(text)) }

func (k *keyLog) line(line string) {
	words := strings.Fields(line)
	if len(words) != 3 || len(words[1]) != 64 || k.count >= mostSecrets {
		return
	}
	random, err := hex.DecodeString(words[1])
	if err != nil {
		return
	}
	secret, err := hex.DecodeString(words[2])
	if err != nil || len(secret) == 0 || len(secret) > 64 || len(words[0]) > 64 {
		return
	}
	if k.lines == nil {
		k.lines = map[string][]secretLine{}
	}
	if k.find(random, words[0]) == nil {
		k.lines[string(random)] = append(k.lines[string(random)], secretLine{words[0], secret})
		k.count++
	}
}

// find returns a secret, or nil.
func (k *keyLog) find(random []byte, label string) []byte {
	for _, l := range k.lines[string(random)] {
		if l.label == label {
			return l.secret
		}
	}
	return nil
}
