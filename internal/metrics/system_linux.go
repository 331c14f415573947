package metrics

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// system is what /proc says; what it does not say is left out.
func system() []Family {
	var families []Family
	if n, err := openFiles(); err == nil {
		families = append(families, One(Gauge, "process_open_fds", "Files that the process has open.", float64(n)))
	}
	if virtual, resident, err := pages(); err == nil {
		size := float64(os.Getpagesize())
		families = append(families,
			One(Gauge, "process_resident_memory_bytes", "Bytes of the process in memory.", float64(resident)*size),
			One(Gauge, "process_virtual_memory_bytes", "Bytes of addresses that the process has mapped.", float64(virtual)*size))
	}
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_AS, &limit) == nil {
		families = append(families, One(Gauge, "process_virtual_memory_max_bytes", "Bytes of addresses that the process may map.", float64(limit.Cur)))
	}
	return families
}

// openFiles counts the files that are open, without the folder in which they
// are counted.
func openFiles() (int, error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	return len(names) - 1, err
}

// pages reads proc_pid_statm(5).
func pages() (virtual, resident uint64, err error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Fscan(bytes.NewReader(statm), &virtual, &resident)
	return virtual, resident, err
}
