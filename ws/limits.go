package ws

// Limits bound what a peer may send. The zero value has the defaults.
type Limits struct {
	// MaxMessage bounds a message, in bytes: what its frames carry, and what that
	// inflates to. 0 is 32 MiB, less than 0 no bound. Beyond it the connection is
	// closed with 1009.
	MaxMessage int64
	// MaxFragments bounds the frames of one message, empty ones counted; 0 is
	// 131,072, less than 0 no bound. Beyond it: 1008.
	MaxFragments int
	// MaxControlRate bounds the pings, pongs and closes a second; 0 is 1,000,
	// less than 0 no bound. Beyond it: 1008.
	MaxControlRate int
}

const (
	defaultMaxMessage     = 32 << 20
	defaultMaxFragments   = 131072
	defaultMaxControlRate = 1000
	unbounded             = int64(1) << 62
)

func (l *Limits) message() int64 {
	switch {
	case l.MaxMessage == 0:
		return defaultMaxMessage
	case l.MaxMessage < 0:
		return unbounded
	}
	return l.MaxMessage
}

func (l *Limits) fragments() int {
	switch {
	case l.MaxFragments == 0:
		return defaultMaxFragments
	case l.MaxFragments < 0:
		return int(^uint(0) >> 1)
	}
	return l.MaxFragments
}

func (l *Limits) controls() int {
	switch {
	case l.MaxControlRate == 0:
		return defaultMaxControlRate
	case l.MaxControlRate < 0:
		return 0
	}
	return l.MaxControlRate
}
