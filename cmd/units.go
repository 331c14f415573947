package cmd

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// duration is a flag such as 500ms, 2s, 1m30s, or bare seconds.
type duration time.Duration

// String implements pflag.Value.
func (d *duration) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type implements pflag.Value.
func (d *duration) Type() string { return "DURATION" }

// Set implements pflag.Value.
func (d *duration) Set(s string) error {
	if seconds, err := strconv.ParseFloat(s, 64); err == nil {
		if seconds < 0 || math.IsNaN(seconds) || seconds > math.MaxInt64/float64(time.Second) {
			return fmt.Errorf("a duration is not negative and not endless")
		}
		*d = duration(seconds * float64(time.Second))
		return nil
	}
	parsed, err := time.ParseDuration(s)
	if err != nil || parsed < 0 {
		return fmt.Errorf("a duration is written 500ms, 2s, 1m30s, or in bare seconds")
	}
	*d = duration(parsed)
	return nil
}

// size is a flag such as 100, 64k or 16M, in bytes and powers of 1024.
type size int64

const sizeUnits = "kmgt"

// String implements pflag.Value.
func (s *size) String() string {
	n := int64(*s)
	if n == 0 {
		return ""
	}
	unit := ""
	for _, u := range "kMGT" {
		if n%1024 != 0 {
			break
		}
		n, unit = n/1024, string(u)
	}
	return strconv.FormatInt(n, 10) + unit
}

// Type implements pflag.Value.
func (s *size) Type() string { return "SIZE" }

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	digits := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(text), "b"), "i")
	scale := int64(1)
	if n := len(digits); n > 0 {
		if i := strings.IndexByte(sizeUnits, digits[n-1]); i >= 0 {
			digits, scale = digits[:n-1], 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || n < 0 || math.IsNaN(n) || n*float64(scale) > math.MaxInt64/2 {
		return fmt.Errorf("a size is written 1500, 64k, 16M or 1G (powers of 1024)")
	}
	*s = size(n * float64(scale))
	return nil
}
