package handshake

// Text is the status and the reason of a response as they came, safe to print:
// 404 Not Found.
func (h *Head) Text() string {
	line := h.AppendLine(nil)
	if len(h.Proto) > 0 && len(line) > len(h.Proto) {
		line = line[len(h.Proto)+1:]
	}
	return show(line)
}
