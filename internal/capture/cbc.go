package capture

import (
	"bytes"
	"crypto/cipher"
	"crypto/hmac"
	"hash"
)

// cbc opens records that are sealed by a block cipher and a MAC (RFC 5246 section
// 6.2.3.2). Whoever reads a capture has no secret to lose by how long it takes.
type cbc struct {
	block        cipher.Block
	mac          hash.Hash
	encryptFirst bool   // the MAC is that of what is encrypted (RFC 7366)
	chained      []byte // the next vector, where records bring none: TLS 1.0 (RFC 2246 section 6.2.3.2)
}

func (c *cbc) open(seq uint64, head, body []byte) ([]byte, bool) {
	if c.encryptFirst {
		sealed, ok := c.authentic(seq, head, body)
		if !ok {
			return nil, false
		}
		return c.decrypt(sealed)
	}
	plain, ok := c.decrypt(body)
	if !ok {
		return nil, false
	}
	return c.authentic(seq, head, plain)
}

// authentic takes off a MAC that is right.
func (c *cbc) authentic(seq uint64, head, b []byte) ([]byte, bool) {
	size := len(b) - c.mac.Size()
	if size < 0 {
		return nil, false
	}
	c.mac.Reset()
	c.mac.Write(covered(seq, head, size))
	c.mac.Write(b[:size])
	return b[:size], hmac.Equal(c.mac.Sum(nil), b[size:])
}

// decrypt takes off the vector and the padding, whose every byte is its length.
func (c *cbc) decrypt(b []byte) ([]byte, bool) {
	size := c.block.BlockSize()
	vector := c.chained
	if vector == nil {
		if len(b) < size {
			return nil, false
		}
		vector, b = b[:size], b[size:]
	}
	if len(b) == 0 || len(b)%size != 0 {
		return nil, false
	}
	if c.chained != nil {
		c.chained = bytes.Clone(b[len(b)-size:])
	}
	plain := make([]byte, len(b))
	cipher.NewCBCDecrypter(c.block, vector).CryptBlocks(plain, b)
	padding := plain[len(plain)-1]
	end := len(plain) - 1 - int(padding)
	if end < 0 || len(bytes.Trim(plain[end:], string([]byte{padding}))) > 0 {
		return nil, false
	}
	return plain[:end], true
}
