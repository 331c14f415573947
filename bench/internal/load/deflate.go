//go:build linux

package load

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
)

// tail is what a sender of permessage-deflate leaves out at the end of a message
// (RFC 7692, section 7.2.1), and an empty last block so that the stream ends.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// deflate compresses one message by itself, as hard as browsers do.
func deflate(message []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	w.Write(message)
	w.Flush()
	return bytes.TrimSuffix(out.Bytes(), []byte(tail[:4]))
}

// inflater holds answers against what they should inflate to.
type inflater struct {
	r   io.ReadCloser
	out []byte
}

func newInflater(size int) *inflater {
	return &inflater{flate.NewReader(nil), make([]byte, size+1)}
}

// same reports whether packed inflates to message and to nothing more.
func (i *inflater) same(packed, message []byte) error {
	source := io.MultiReader(bytes.NewReader(packed), bytes.NewReader([]byte(tail)))
	if err := i.r.(flate.Resetter).Reset(source, nil); err != nil {
		return err
	}
	n, err := io.ReadFull(i.r, i.out)
	if err != io.ErrUnexpectedEOF {
		return fmt.Errorf("%d bytes inflated, then %v: %w", n, err, ErrWrong)
	}
	if !bytes.Equal(i.out[:n], message) {
		return fmt.Errorf("inflated: %w", ErrWrong)
	}
	return nil
}
