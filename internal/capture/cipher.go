package capture

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/tls"
	"encoding/binary"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sockkit/sockkit/ws"
)

// aead opens what is sealed together with its authentication.
type aead interface {
	Open(dst, nonce, sealed, extra []byte) ([]byte, error)
	Overhead() int
}

// aead is that of a suite whose key has the right size, which none refuses.
func (s suite) aead(key []byte) aead {
	if s.by == byChaCha {
		a, _ := chacha20poly1305.New(key)
		return a
	}
	block, _ := aes.NewCipher(key)
	if s.by == byCCM {
		return &ccm{block, s.tag}
	}
	a, _ := cipher.NewGCM(block)
	return a
}

// opener opens the records of one direction.
type opener struct {
	aead   aead
	iv     []byte
	seq    uint64
	tls13  bool
	suite  suite
	secret []byte // of TLS 1.3

	cbc *cbc // in place of aead
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
// section 6.3): keys of the MAC, keys of the cipher, and vectors, the client's
// before the server's.
func (s suite) openers12(master []byte, client, server hello) [2]*opener {
	mac, fixed := 0, 4
	switch {
	case s.by == byChaCha:
		fixed = 12
	case s.by == byCBC:
		mac, fixed = s.mac().Size(), s.block
	}
	seed := append(append([]byte("key expansion"), server.random...), client.random...)
	block := s.prf(server.version, master, seed, 2*(mac+s.key+fixed))
	take := func(size int) (out [2][]byte) {
		out[ws.ClientRole], out[ws.ServerRole], block = block[:size], block[size:2*size], block[2*size:]
		return out
	}
	macs, keys, vectors := take(mac), take(s.key), take(fixed)
	var out [2]*opener
	for role := range out {
		out[role] = &opener{iv: vectors[role], suite: s}
		if s.by == byCBC {
			out[role].cbc = s.newCBC(macs[role], keys[role], vectors[role], server)
		} else {
			out[role].aead = s.aead(keys[role])
		}
	}
	return out
}

func (s suite) newCBC(mac, key, vector []byte, server hello) *cbc {
	c := &cbc{mac: hmac.New(s.mac, mac), encryptFirst: server.encryptFirst}
	if s.block == des.BlockSize {
		c.block, _ = des.NewTripleDESCipher(key)
	} else {
		c.block, _ = aes.NewCipher(key)
	}
	if server.version < tls.VersionTLS11 {
		c.chained = vector
	}
	return c
}

// prf is the pseudorandom function, its label part of the seed: P_hash of the
// suite's (RFC 5246 section 5), and before TLS 1.2 those of MD5 and SHA-1, each
// of half the secret, together (RFC 4346 section 5).
func (s suite) prf(version int, secret, seed []byte, size int) []byte {
	if version >= tls.VersionTLS12 {
		return pHash(s.hash, secret, seed, size)
	}
	half := (len(secret) + 1) / 2
	out := pHash(md5.New, secret[:half], seed, size)
	for i, c := range pHash(sha1.New, secret[len(secret)-half:], seed, size) {
		out[i] ^= c
	}
	return out
}

func pHash(with func() hash.Hash, secret, seed []byte, size int) (out []byte) {
	mac := func(b []byte) []byte {
		h := hmac.New(with, secret)
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
		if plain, ok = o.open12(head, body); ok {
			o.seq++
		}
		return head[0], plain, ok
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

// open12 opens a record of TLS 1.2 (RFC 5246 section 6.2.3) or before.
func (o *opener) open12(head, body []byte) (plain []byte, ok bool) {
	if o.cbc != nil {
		return o.cbc.open(o.seq, head, body)
	}
	nonce := o.iv
	if o.suite.by == byChaCha {
		nonce = o.nonce()
	} else {
		if len(body) < 8 {
			return nil, false
		}
		nonce, body = append(append([]byte(nil), o.iv...), body[:8]...), body[8:]
	}
	size := len(body) - o.aead.Overhead()
	if size < 0 {
		return nil, false
	}
	plain, err := o.aead.Open(nil, nonce, body, covered(o.seq, head, size))
	return plain, err == nil
}

// covered is what a MAC covers besides what is in the record: its number, its
// type, its version and its length (RFC 5246 section 6.2.3.1).
func covered(seq uint64, head []byte, size int) []byte {
	b := binary.BigEndian.AppendUint64(nil, seq)
	return append(b, head[0], head[1], head[2], byte(size>>8), byte(size))
}
