package views

// Opened reports whether a node is shown in full.
func (n *nodes) Opened() bool { return n.open }

// Opened reports whether an object is shown in full.
func (f *flux) Opened() bool { return f.open }

// Opened reports whether a check or a step is shown in full.
func (e *exchange) Opened() bool { return e.open }
