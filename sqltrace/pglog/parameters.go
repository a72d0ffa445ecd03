package pglog

import "bytes"

// maxParameters bounds the parameters of a statement that are read.
const maxParameters = 256

// parameters reads the detail line of an extended statement: parameters: $1 = 'it”s', $2 = NULL. The values
// are valid until the next entry; they are for hashing alone.
func (d *Decoder) parameters(detail []byte) [][]byte {
	text, ok := after(detail, "parameters: ")
	if !ok {
		if text, ok = after(detail, "Parameters: "); !ok { // as later versions write it
			return nil
		}
	}
	d.values = d.values[:0]
	for len(text) > 1 && text[0] == '$' && len(d.values) < maxParameters {
		n := bytes.Index(text, []byte(" = "))
		if n < 0 {
			break
		}
		text = text[n+3:]
		if len(text) == 0 || text[0] != '\'' { // NULL
			_, text, _ = bytes.Cut(text, []byte(", "))
			continue
		}
		value, escaped, i := text[1:], false, 1
		for {
			k := bytes.IndexByte(text[i:], '\'')
			if k < 0 { // cut
				return d.values
			}
			i += k
			if i+1 < len(text) && text[i+1] == '\'' {
				escaped = true
				i += 2
				continue
			}
			break
		}
		value = value[:i-1]
		if escaped {
			value = bytes.ReplaceAll(value, []byte("''"), []byte("'"))
		}
		d.values = append(d.values, value)
		text, _ = after(text[i+1:], ", ")
	}
	return d.values
}

// states are the SQLSTATEs of messages that people meet often.
var states = []struct{ begins, contains, state string }{
	{"duplicate key value violates unique constraint", "", "23505"},
	{"could not serialize access", "", "40001"},
	{"deadlock detected", "", "40P01"},
	{"current transaction is aborted", "", "25P02"},
	{"could not obtain lock on", "", "55P03"},
	{"canceling statement due to lock timeout", "", "55P03"},
	{"canceling statement due to", "", "57014"},
	{"terminating connection due to", "", "57P01"},
	{"division by zero", "", "22012"},
	{"syntax error", "", "42601"},
	{"unterminated quoted", "", "42601"},
	{"invalid input syntax for", "", "22P02"},
	{"value too long for type", "", "22001"},
	{"null value in column", "violates not-null constraint", "23502"},
	{"new row for relation", "violates check constraint", "23514"},
	{"", "violates foreign key constraint", "23503"},
	{"cannot execute", "in a read-only transaction", "25006"},
	{"permission denied", "", "42501"},
	{"relation ", "does not exist", "42P01"},
	{"relation ", "already exists", "42P07"},
	{"column ", "does not exist", "42703"},
	{"function ", "does not exist", "42883"},
	{"operator does not exist", "", "42883"},
	{"savepoint ", "does not exist", "3B001"},
}

// stateOf tells the SQLSTATE of a message, for a log_line_prefix without %e.
func stateOf(message []byte) string {
	line, _, _ := bytes.Cut(message, []byte("\n"))
	for _, s := range states {
		if bytes.HasPrefix(line, []byte(s.begins)) && bytes.Contains(line, []byte(s.contains)) {
			return s.state
		}
	}
	return UnknownState
}
