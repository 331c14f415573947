package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sockkit/sockkit/ws"
)

// suite is a cipher suite that can be decrypted: those with authenticated
// encryption, which TLS 1.3 has alone (RFC 8446 B.4, RFC 5288, RFC 5289, RFC 7905).
type suite struct {
	key    int // bytes
	hash   func() hash.Hash
	chacha bool
}

func suiteOf(id int) (suite, bool) {
	small, large := suite{16, sha256.New, false}, suite{32, sha512.New384, false}
	switch id {
	case 0x1301, 0x009c, 0x009e, 0xc02b, 0xc02f:
		return small, true
	case 0x1302, 0x009d, 0x009f, 0xc02c, 0xc030:
		return large, true
	case 0x1303, 0xcca8, 0xcca9, 0xccaa:
		return suite{32, sha256.New, true}, true
	}
	return suite{}, false
}

func (s suite) aead(key []byte) cipher.AEAD {
	if s.chacha {
		a, _ := chacha20poly1305.New(key) // of a key of 32 bytes, which it is
		return a
	}
	block, _ := aes.NewCipher(key)
	a, _ := cipher.NewGCM(block)
	return a
}

// opener opens the records of one direction.
type opener struct {
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
	tls13  bool
	suite  suite
	secret []byte // of TLS 1.3
}

// opener13 derives keys from a traffic secret (RFC 8446 section 7.3).
func (s suite) opener13(secret []byte) *opener {
	return &opener{aead: s.aead(s.expand(secret, "key", s.key)), iv: s.expand(secret, "iv", 12), tls13: true, suite: s, secret: secret}
}

// expand is HKDF-Expand-Label without a context (RFC 8446 section 7.1).
func (s suite) expand(secret []byte, label string, size int) []byte {
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len("tls13 ")+len(label)))
	info = append(append(info, "tls13 "+label...), 0)
	out, _ := hkdf.Expand(s.hash, secret, string(info), size) // fails on sizes that no label has
	return out
}

// updated is the opener behind a KeyUpdate (RFC 8446 section 7.2).
func (o *opener) updated() *opener {
	return o.suite.opener13(o.suite.expand(o.secret, "traffic upd", o.suite.hash().Size()))
}

// openers12 derives both directions' keys from a master secret (RFC 5246
// section 6.3).
func (s suite) openers12(master, client, server []byte) [2]*opener {
	fixed := 4
	if s.chacha {
		fixed = 12
	}
	seed := append(append([]byte("key expansion"), server...), client...)
	block := s.prf(master, seed, 2*(s.key+fixed))
	var out [2]*opener
	for i, role := range []ws.Role{ws.ClientRole, ws.ServerRole} { // the client's come first
		key, iv := block[i*s.key:][:s.key], block[2*s.key+i*fixed:][:fixed]
		out[role] = &opener{aead: s.aead(key), iv: iv, suite: s}
	}
	return out
}

// prf is P_hash (RFC 5246 section 5), its label part of the seed.
func (s suite) prf(secret, seed []byte, size int) (out []byte) {
	mac := func(b []byte) []byte {
		h := hmac.New(s.hash, secret)
		h.Write(b)
		return h.Sum(nil)
	}
	for a := mac(seed); len(out) < size; a = mac(a) {
		out = append(out, mac(append(append([]byte(nil), a...), seed...))...)
	}
	return out[:size]
}

// open opens a record, given with its head. It returns what is in it and its
// type.
func (o *opener) open(record []byte) (kind byte, plain []byte, ok bool) {
	head, body := record[:recordHead], record[recordHead:]
	if !o.tls13 {
		return o.open12(head, body)
	}
	plain, err := o.aead.Open(nil, o.nonce(), body, head) // RFC 8446 section 5.2
	if err != nil {
		return 0, nil, false
	}
	o.seq++
	for len(plain) > 0 && plain[len(plain)-1] == 0 { // section 5.4: padding
		plain = plain[:len(plain)-1]
	}
	if len(plain) == 0 {
		return 0, nil, false
	}
	return plain[len(plain)-1], plain[:len(plain)-1], true
}

// nonce is the vector with the record's number (RFC 8446 section 5.3).
func (o *opener) nonce() []byte {
	nonce := append([]byte(nil), o.iv...)
	number := binary.BigEndian.AppendUint64(nil, o.seq)
	for i, c := range number {
		nonce[4+i] ^= c
	}
	return nonce
}

// open12 opens a record of TLS 1.2 (RFC 5246 section 6.2.3.3).
func (o *opener) open12(head, body []byte) (byte, []byte, bool) {
	var nonce []byte
	if o.suite.chacha {
		nonce = o.nonce()
	} else {
		if len(body) < 8 {
			return 0, nil, false
		}
		nonce, body = append(append([]byte(nil), o.iv...), body[:8]...), body[8:]
	}
	size := len(body) - o.aead.Overhead()
	if size < 0 {
		return 0, nil, false
	}
	extra := binary.BigEndian.AppendUint64(nil, o.seq)
	extra = append(extra, head[0], head[1], head[2], byte(size>>8), byte(size))
	plain, err := o.aead.Open(nil, nonce, body, extra)
	if err != nil {
		return 0, nil, false
	}
	o.seq++
	return head[0], plain, true
}
