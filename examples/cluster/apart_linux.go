package main

import (
	"os/exec"
	"syscall"
)

// apart keeps a terminal's Ctrl-C from a program, which ends in its turn, and has it
// end when this one is killed.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// sweep ends what a program that has ended has left: nginx that is killed leaves a
// worker, which has the port.
func sweep(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
