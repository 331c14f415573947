//go:build unix

package endpoint

import (
	"os/exec"
	"syscall"
)

// ownGroup puts a child into a process group of its own, so that its own
// children can be ended with it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func terminate(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
func kill(cmd *exec.Cmd)      { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// Shell is the command that runs a line of shell.
func Shell(line string) []string { return []string{"/bin/sh", "-c", line} }
