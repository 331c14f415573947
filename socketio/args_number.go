package socketio

import (
	"errors"
	"math"
	"strconv"
	"time"
)

// appendFloat appends f as JavaScript writes numbers: in full from 1e-6 to below
// 1e21, with an exponent beyond, null for what is no number, and no minus zero.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	if f == 0 {
		return append(dst, '0')
	}
	format := byte('f')
	if abs := math.Abs(f); bits == 64 && (abs < 1e-6 || abs >= 1e21) ||
		bits == 32 && (float32(abs) < 1e-6 || float32(abs) >= 1e21) {
		format = 'e'
	}
	dst = strconv.AppendFloat(dst, f, format, -1, bits)
	if n := len(dst); format == 'e' && n >= 4 && dst[n-4] == 'e' && dst[n-2] == '0' {
		dst = append(dst[:n-2], dst[n-1]) // e-09 is e-9
	}
	return dst
}

// maxJSTime is how far from 1970 a Date of JavaScript reaches, in milliseconds.
const maxJSTime = 8_640_000_000_000_000

// appendTime appends t as a Date of JavaScript becomes JSON: UTC, milliseconds,
// six digits and a sign for years of more than four, and null where a Date
// cannot hold it.
func appendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year := t.Year()
	if ms := t.UnixMilli(); year < -300_000 || year > 300_000 || ms > maxJSTime || ms < -maxJSTime {
		return append(dst, "null"...)
	}
	dst = append(dst, '"')
	if year >= 0 && year <= 9999 {
		return t.AppendFormat(dst, `2006-01-02T15:04:05.000Z"`)
	}
	sign := byte('+')
	if year < 0 {
		sign, year = '-', -year
	}
	dst = append(dst, sign)
	digits := strconv.Itoa(1_000_000 + year)
	dst = append(dst, digits[1:]...)
	return t.AppendFormat(dst, `-01-02T15:04:05.000Z"`)
}

// parseFloat reads a JSON number. What is beyond a double is infinite, as it is
// to JavaScript.
func parseFloat(text []byte) float64 {
	if n, ok := smallInt(text); ok {
		return float64(n)
	}
	f, _ := strconv.ParseFloat(string(text), 64)
	return f
}

var errOutOfRange = errors.New("out of range")
var errNotWhole = errors.New("not a whole number")

// smallInt reads an integer of a few digits, but not minus zero.
func smallInt(text []byte) (n int64, ok bool) {
	digits := text
	if at(text, 0) == '-' {
		digits = text[1:]
	}
	if len(digits) == 0 || len(digits) > 15 || len(digits) < len(text) && digits[0] == '0' {
		return 0, false
	}
	for _, c := range digits {
		if !isDigit(c) {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if len(digits) < len(text) {
		n = -n
	}
	return n, true
}

// parseInt reads a whole JSON number, however it is written, of so many bits.
func parseInt(text []byte, bits int) (int64, error) {
	n, ok := smallInt(text)
	if !ok {
		var err error
		if n, err = strconv.ParseInt(string(text), 10, 64); err != nil {
			f := parseFloat(text)
			switch {
			case f != math.Trunc(f):
				return 0, errNotWhole
			case f < -1<<63 || f >= 1<<63 || errors.Is(err, strconv.ErrRange):
				return 0, errOutOfRange
			}
			n = int64(f)
		}
	}
	if shift := 64 - bits; n<<shift>>shift != n {
		return 0, errOutOfRange
	}
	return n, nil
}

// parseUint is parseInt for numbers without a sign.
func parseUint(text []byte, bits int) (uint64, error) {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		f := parseFloat(text)
		switch {
		case f != math.Trunc(f):
			return 0, errNotWhole
		case f < 0 || f >= 1<<64 || errors.Is(err, strconv.ErrRange):
			return 0, errOutOfRange
		}
		n = uint64(f)
	}
	if shift := 64 - bits; n<<shift>>shift != n {
		return 0, errOutOfRange
	}
	return n, nil
}
