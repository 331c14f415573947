package endpoint

import (
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func terminate(cmd *exec.Cmd) { _ = cmd.Process.Kill() }
func kill(cmd *exec.Cmd)      { _ = cmd.Process.Kill() }

// Shell is the command that runs a line of shell.
func Shell(line string) []string { return []string{"cmd", "/C", line} }
