//go:build !linux

package main

import "os/exec"

// apart does nothing here: a terminal's Ctrl-C ends all at once.
func apart(*exec.Cmd) {}

// sweep does nothing here.
func sweep(*exec.Cmd) {}
