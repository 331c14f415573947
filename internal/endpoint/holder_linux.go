package endpoint

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Holder names the process that has a TCP or UDP port bound, or "" where that
// cannot be known: it belongs to somebody else, or is gone again.
func Holder(network string, port int) string {
	inodes := map[string]bool{}
	for _, table := range []string{network, network + "6"} {
		boundInodes("/proc/net/"+table, port, inodes)
	}
	if len(inodes) == 0 {
		return ""
	}
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(target, "socket:[")
		if ok && inodes[strings.TrimSuffix(inode, "]")] {
			return processName(strings.Split(link, "/")[2])
		}
	}
	return ""
}

// boundInodes adds the sockets of a table in /proc/net that listen on port.
func boundInodes(table string, port int, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	const listening, unconnected = "0A", "07"
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listening && fields[3] != unconnected {
			continue
		}
		_, hexPort, _ := strings.Cut(fields[1], ":")
		b, err := hex.DecodeString(hexPort)
		if err == nil && len(b) == 2 && int(b[0])<<8|int(b[1]) == port {
			inodes[fields[9]] = true
		}
	}
}

func processName(pid string) string {
	name, err := os.ReadFile("/proc/" + pid + "/comm")
	if err != nil {
		return "process " + pid
	}
	return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
}
