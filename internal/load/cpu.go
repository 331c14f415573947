package load

import "time"

// cpuTime is what a process has used of the processor.
type cpuTime struct{ user, system time.Duration }

func (c cpuTime) less(before cpuTime) cpuTime {
	return cpuTime{c.user - before.user, c.system - before.system}
}

func (c cpuTime) total() time.Duration { return c.user + c.system }

// CPUTime is what this process has used of the processor so far; 0 where that
// is not known.
func CPUTime() time.Duration { return usedCPU().total() }
