package cmd_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sockkit/sockkit/cmd"
)

func TestMain(m *testing.M) {
	if os.Getenv("SOCKKIT_TEST_MAIN") != "" {
		os.Exit(cmd.Main(os.Args[1:], cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
	}
	testscript.Main(m, map[string]func(){
		"sockkit": func() {
			os.Exit(cmd.Main(os.Args[1:], cmd.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// TestScript runs the command line's specification: one script a verb and one
// a bug.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":  await,
			"match":  match,
			"status": status,
			"port":   freePort,
		},
		RequireExplicitExec: true,
	})
}

// await FILE [VAR] waits until FILE exists and sets VAR (by default ADDR) to
// what it says.
func await(ts *testscript.TestScript, _ bool, args []string) {
	name, variable := ts.MkAbs(args[0]), "ADDR"
	if len(args) > 1 {
		variable = args[1]
	}
	deadline := time.Now().Add(60 * time.Second)
	for {
		content, err := os.ReadFile(name)
		if err == nil && len(content) > 0 {
			ts.Setenv(variable, strings.TrimSpace(string(content)))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s did not come", args[0])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// match FILE REGEX waits until FILE holds what REGEX matches.
func match(ts *testscript.TestScript, _ bool, args []string) {
	name, pattern := ts.MkAbs(args[0]), regexp.MustCompile(args[1])
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if content, err := os.ReadFile(name); err == nil && pattern.Match(content) {
			return
		}
	}
	ts.Fatalf("%s never held %s", args[0], args[1])
}

// status N COMMAND… runs a command and wants its exit status to be N.
func status(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("status %s, want %s", got, args[0])
	}
}

// lastPort is the port that was given last: none is given twice.
var lastPort atomic.Int32

// port VAR sets VAR to a port that is free now. It stands below those that systems
// give to clients, so that none of them takes it in between.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	lastPort.CompareAndSwap(0, 10000+rand.Int32N(20000))
	for range 1000 {
		port := lastPort.Add(1)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			l.Close()
			ts.Setenv(args[0], fmt.Sprint(port))
			return
		}
	}
	ts.Fatalf("a thousand ports are taken")
}
