package sqltrace

import "github.com/cespare/xxhash/v2"

// NewStatement returns a statement of s that came by another way than the wire, a server's log say: with what
// its text and its parameters tell, read as those of the wire are. The caller fills in times and outcome and
// gives it to the sink; it is in none of the decoder's Stats. Parameters are hashed, and with them TextHash is
// equal for statements with equal parameters, but not equal to that of the wire. Neither slice is kept.
func (d *Decoder) NewStatement(s *Session, text []byte, parameters [][]byte) *Statement {
	st := d.statement()
	st.Session = s
	p := d.plan(text, false)
	p.fill(st)
	if len(parameters) == 0 {
		return st
	}
	sc := &d.scanner
	sc.literals = append(sc.literals[:0], p.literals...)
	sc.budget = d.config.Literals - len(sc.literals)
	for _, v := range parameters {
		st.TextHash = mix(st.TextHash, xxhash.Sum64(v))
		sc.literal(v)
	}
	st.Literals = d.hashes.Keep(sc.literals)
	return st
}
