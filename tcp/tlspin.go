package tcp

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const pinPrefix = "sha256:"

// Fingerprint returns the SHA-256 of a certificate in DER, as a pin is written:
// "sha256:" and hex.
func Fingerprint(cert []byte) string { return pinPrefix + hexSum(cert) }

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// pins are SHA-256 sums, one of which a server has to have.
type pins [][sha256.Size]byte

func parsePins(list []string) (pins, error) {
	var all pins
	for _, s := range list {
		sum, err := parsePin(s)
		if err != nil {
			return nil, &TLSOptionError{Option: "--pin", Value: s, Reason: err.Error(),
				Hint: "a pin is sha256: and 64 hexadecimal digits, as the error of a certificate that is not trusted prints it"}
		}
		all = append(all, sum)
	}
	return all, nil
}

// parsePin reads "sha256:" and hex, hex with colons, or base64; also curl's
// "sha256//", and openssl's "SHA256 Fingerprint=".
func parsePin(s string) (sum [sha256.Size]byte, err error) {
	text := strings.TrimSpace(s)
	for _, prefix := range []string{pinPrefix, "sha256//", "sha256 fingerprint="} {
		if len(text) >= len(prefix) && strings.EqualFold(text[:len(prefix)], prefix) {
			text = text[len(prefix):]
			break
		}
	}
	raw, err := decodeSum(text)
	switch {
	case err != nil:
		return sum, err
	case len(raw) != len(sum):
		return sum, fmt.Errorf("%d bytes, and a SHA-256 has %d", len(raw), len(sum))
	}
	return [sha256.Size]byte(raw), nil
}

// decodeSum reads hex if the text can be hex, and else base64. 32 bytes cannot
// be both: they are 64 digits, or 43 letters.
func decodeSum(text string) ([]byte, error) {
	bare := strings.ReplaceAll(text, ":", "")
	if raw, err := hex.DecodeString(bare); err == nil {
		return raw, nil
	}
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := enc.Strict().DecodeString(strings.TrimRight(text, "=")); err == nil {
			return raw, nil
		}
	}
	if name, _, ok := strings.Cut(text, ":"); ok && strings.HasPrefix(strings.ToLower(name), "sha") {
		return nil, fmt.Errorf("the sum is a %s, and only sha256 is known", name)
	}
	return nil, errors.New("neither hexadecimal digits nor base64")
}

// check implements tls.Config.VerifyConnection.
func (p pins) check(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server sent no certificate to hold against the pin")
	}
	leaf := state.PeerCertificates[0]
	whole, key := sha256.Sum256(leaf.Raw), sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	if slices.Contains(p, whole) || slices.Contains(p, key) {
		return nil
	}
	mismatch := &PinError{Certificate: Fingerprint(leaf.Raw), Key: Fingerprint(leaf.RawSubjectPublicKeyInfo)}
	for _, pin := range p {
		mismatch.Want = append(mismatch.Want, pinPrefix+hex.EncodeToString(pin[:]))
	}
	return mismatch
}
