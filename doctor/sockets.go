package doctor

import (
	"strconv"
	"strings"
)

// listeners reads the ports that are listened on from the text of /proc/net/tcp or tcp6.
func listeners(table string, into map[uint16]bool) {
	const listen = "0A"
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[3] != listen {
			continue
		}
		i := strings.LastIndexByte(fields[1], ':')
		if port, err := strconv.ParseUint(fields[1][i+1:], 16, 16); i >= 0 && err == nil {
			into[uint16(port)] = true
		}
	}
}
