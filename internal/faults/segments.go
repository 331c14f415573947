package faults

import (
	"errors"
	"fmt"
)

// errNoSegments says that segments cannot be dropped.
var errNoSegments = fmt.Errorf("faults: segments of this connection cannot be dropped: %w", errors.ErrUnsupported)
