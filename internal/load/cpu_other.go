//go:build !unix && !windows

package load

// usedCPU is not known here.
func usedCPU() cpuTime { return cpuTime{} }

// FileLimit is how many files this process may open; 0 where that is not known.
func FileLimit() uint64 { return 0 }
