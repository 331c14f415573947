package capture

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
)

// ccm opens what is sealed by counter mode with CBC-MAC (RFC 3610), in the form
// that TLS has: nonces of 12 bytes, so that a length has 3.
type ccm struct {
	block cipher.Block
	tag   int
}

var errSealed = errors.New("it is not authentic")

// Overhead is what a sealed text is longer by, in bytes.
func (c *ccm) Overhead() int { return c.tag }

// Open appends what is sealed to dst, if it is authentic together with extra.
func (c *ccm) Open(dst, nonce, sealed, extra []byte) ([]byte, error) {
	size := len(sealed) - c.tag
	if size < 0 || size >= 1<<24 || len(extra) >= 0xff00 {
		return nil, errSealed
	}
	plain, mask := make([]byte, size), make([]byte, 16)
	stream := cipher.NewCTR(c.block, append(append([]byte{2}, nonce...), 0, 0, 0)) // section 2.3
	stream.XORKeyStream(mask, mask)
	stream.XORKeyStream(plain, sealed[:size])
	tag := c.authenticate(nonce, plain, extra)
	subtle.XORBytes(tag, tag, mask)
	if subtle.ConstantTimeCompare(tag[:c.tag], sealed[size:]) != 1 {
		return nil, errSealed
	}
	return append(dst, plain...), nil
}

// authenticate is RFC 3610 section 2.2.
func (c *ccm) authenticate(nonce, plain, extra []byte) []byte {
	first := append([]byte{0x40 | byte(c.tag-2)/2<<3 | 2}, nonce...)
	first = append(first, byte(len(plain)>>16), byte(len(plain)>>8), byte(len(plain)))
	sum := make([]byte, 16)
	c.mac(sum, first)
	c.mac(sum, append(binary.BigEndian.AppendUint16(nil, uint16(len(extra))), extra...))
	c.mac(sum, plain)
	return sum
}

// mac goes on with a sum, over whole blocks: the last is filled with zeros.
func (c *ccm) mac(sum, b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(sum, sum, b[:min(len(b), 16)])
		c.block.Encrypt(sum, sum)
		b = b[n:]
	}
}
