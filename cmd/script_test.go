package cmd_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sockkit/sockkit/cmd"
)

func TestMain(m *testing.M) {
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
	deadline := time.Now().Add(30 * time.Second)
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

// port VAR sets VAR to a port that is free now.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	ts.Setenv(args[0], fmt.Sprint(l.Addr().(*net.TCPAddr).Port))
}
