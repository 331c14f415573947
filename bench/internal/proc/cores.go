//go:build linux

package proc

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// coreSet is the kernel's bit mask of cores, 1024 of them.
type coreSet [16]uint64

// Cores returns the cores that this process may run on.
func Cores() ([]int, error) {
	set, err := affinity()
	if err != nil {
		return nil, err
	}
	var cores []int
	for core := range len(set) * 64 {
		if set[core/64]&(1<<(core%64)) != 0 {
			cores = append(cores, core)
		}
	}
	return cores, nil
}

// OnCores runs f on a thread that may only run on cores, as may what it starts.
func OnCores(cores []int, f func() error) error {
	if len(cores) == 0 {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := affinity()
	if err != nil {
		return err
	}
	if err := setAffinity(0, setOf(cores)); err != nil {
		return err
	}
	defer setAffinity(0, before)
	return f()
}

// Stay binds every thread of this process, and those to come, to cores.
func Stay(cores []int) error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, task := range tasks {
		thread, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		if err := setAffinity(thread, setOf(cores)); err != nil {
			return err
		}
	}
	return nil
}

func setOf(cores []int) coreSet {
	var set coreSet
	for _, core := range cores {
		set[core/64] |= 1 << (core % 64)
	}
	return set
}

func affinity() (coreSet, error) {
	var set coreSet
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return set, fmt.Errorf("sched_getaffinity: %w", errno)
	}
	return set, nil
}

func setAffinity(thread int, set coreSet) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(thread), unsafe.Sizeof(set), uintptr(unsafe.Pointer(&set)))
	if errno != 0 {
		return fmt.Errorf("sched_setaffinity: %w", errno)
	}
	return nil
}
