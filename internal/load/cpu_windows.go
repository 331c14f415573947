package load

import (
	"syscall"
	"time"
)

// usedCPU is what this process has used so far.
func usedCPU() cpuTime {
	var created, exited, kernel, user syscall.Filetime
	process, err := syscall.GetCurrentProcess()
	if err != nil || syscall.GetProcessTimes(process, &created, &exited, &kernel, &user) != nil {
		return cpuTime{}
	}
	return cpuTime{ticks(user), ticks(kernel)}
}

// ticks is a span of time in units of 100 ns.
func ticks(t syscall.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}

// FileLimit is how many files this process may open; 0 where that is not known.
func FileLimit() uint64 { return 0 }
