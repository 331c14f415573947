package dissect

// Kept is how many bytes are kept.
func (a *Assembler) Kept() int { return a.total }
