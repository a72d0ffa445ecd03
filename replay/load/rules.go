package load

// Rules say which arguments are kept. The zero value keeps none.
type Rules struct{ list []rule }

type rule struct{}

// Any says whether any arguments are kept.
func (r Rules) Any() bool { return len(r.list) > 0 }
