package trace

// HTTP2Frame is one frame of an HTTP/2 connection (RFC 9113 section 4.1).
type HTTP2Frame struct {
	Dir    Dir    `json:"dir"`
	Type   string `json:"type"`             // HEADERS, DATA, SETTINGS, ...
	Stream int    `json:"stream"`           // 0 is the connection itself
	Flags  string `json:"flags,omitempty"`  // the names of those that are set
	Size   int    `json:"size"`             // bytes behind the head of 9
	Detail string `json:"detail,omitempty"` // what it says, where that is short
}

// Name implements [Event].
func (HTTP2Frame) Name() string { return "http2_frame" }

// Level implements [Event].
func (HTTP2Frame) Level() Level { return Frame }
