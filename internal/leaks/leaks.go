// Package leaks holds that the tests of a package end every goroutine that they
// have begun.
package leaks

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

// HTTP is what the stacks of net/http's connections have in them, for [Main].
const HTTP = `|net/http\.\(\*(persistConn|conn)\)`

// patience is how long a goroutine that is about to end may take.
const patience = 60 * time.Second

// Main runs the tests, and has them fail where goroutines are left behind whose
// stacks match the regular expression ours. It does not return.
func Main(m *testing.M, ours string) {
	code := m.Run()
	if left := Left(ours); code == 0 && left != "" {
		fmt.Fprintln(os.Stderr, "goroutines left behind:\n"+left)
		code = 1
	}
	os.Exit(code)
}

// Left returns the stacks of what is left, once what is about to end has had its
// time; "" is nothing.
func Left(ours string) string {
	pattern := regexp.MustCompile(ours)
	var left []string
	for began := time.Now(); time.Since(began) < patience; runtime.Gosched() {
		buf := make([]byte, 4<<20)
		left = left[:0]
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if pattern.MatchString(stack) && !strings.Contains(stack, "leaks.Left") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			return ""
		}
	}
	return strings.Join(left, "\n\n")
}
