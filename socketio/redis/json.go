package redis

import (
	"bytes"
	"encoding/json"
)

// marshal is [json.Marshal] without the escapes for HTML: what is sent is what a
// peer in JavaScript sends.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}
