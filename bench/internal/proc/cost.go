//go:build linux

package proc

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// tick is the unit of /proc/PID/stat, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// CPU returns the CPU time that the process and its descendants have had: those
// alive to the nanosecond, threads that ended included; children that ended and
// were waited for to the tick of 10 ms.
func (p *Process) CPU() (time.Duration, error) {
	if err := p.Alive(); err != nil {
		return 0, err
	}
	var total time.Duration
	for _, pid := range family(p.pid()) {
		cpu, err := cpuOf(pid)
		if err != nil && pid == p.pid() {
			return 0, p.explain(fmt.Errorf("%w: %w", ErrEnded, err))
		}
		total += cpu // 0 of a child that ended meanwhile
	}
	return total, nil
}

// Memory returns the bytes that the process and its descendants have in memory;
// a page shared by n processes counts for 1/n in each.
func (p *Process) Memory() (int64, error) {
	if err := p.Alive(); err != nil {
		return 0, err
	}
	var total int64
	for _, pid := range family(p.pid()) {
		share, err := proportional(pid)
		if err != nil && pid == p.pid() {
			return 0, err
		}
		total += share
	}
	return total, nil
}

// cpuOf returns the CPU time of one process and of the children it waited for.
func cpuOf(pid int) (time.Duration, error) {
	stat, err := readStat(pid)
	if err != nil {
		return 0, err
	}
	own, err := clock(pid)
	if err != nil {
		return 0, err
	}
	return own + stat.ofChildren, nil
}

// clock is clock_gettime on the CPU clock of another process.
func clock(pid int) (time.Duration, error) {
	const scheduled = 2 // CPUCLOCK_SCHED: what the scheduler gave it, in ns
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|scheduled), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, errno)
	}
	return time.Duration(t.Nano()), nil
}

func proportional(pid int) (int64, error) {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	_, after, found := bytes.Cut(rollup, []byte("\nPss:"))
	if !found {
		return 0, fmt.Errorf("no Pss in smaps_rollup of %d", pid)
	}
	kib, err := strconv.ParseInt(string(bytes.Fields(after)[0]), 10, 64)
	return kib << 10, err
}

// family returns root and its descendants, parents first.
func family(root int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil {
			children[stat.parent] = append(children[stat.parent], pid)
		}
	}
	all := []int{root}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return slices.Clip(all)
}

type stat struct {
	parent     int
	ofChildren time.Duration // user and system time of children waited for
}

// readStat reads /proc/PID/stat, whose second field may hold spaces and brackets.
func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) < 15 {
		return stat{}, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	number := func(i int) int {
		n, _ := strconv.Atoi(string(fields[i-3]))
		return n
	}
	return stat{parent: number(4), ofChildren: time.Duration(number(16)+number(17)) * tick}, nil
}
