package rpclog

import "bytes"

// traceback finds the exception's name in the text of a Python traceback that comes in pieces: the dotted name
// with which the line after the frames begins. The message behind it, which may hold anybody's data, is not kept.
// Of chained exceptions the last one counts, which is the one that was raised to the caller.
type traceback struct {
	state tracebackState
	line  [fieldMax]byte // beginning of the line being read
	n     int
	name  [fieldMax]byte
	named int
}

type tracebackState uint8

const (
	tracebackAhead tracebackState = iota // its first line may come
	tracebackFrames
	tracebackDone // the name is found; a chained traceback may follow
)

var (
	tracebackFirst  = []byte("Traceback (most recent call last):")
	tracebackCaused = []byte("The above exception was the direct cause of the following exception:")
	tracebackDuring = []byte("During handling of the above exception, another exception occurred:")
)

func (t *traceback) reset() { t.state, t.n, t.named = tracebackAhead, 0, 0 }

func (t *traceback) write(b []byte) {
	for len(b) > 0 {
		end := bytes.IndexByte(b, '\n')
		if end < 0 {
			t.n += copy(t.line[t.n:], b)
			return
		}
		t.n += copy(t.line[t.n:], b[:end])
		t.endLine()
		b = b[end+1:]
	}
}

func (t *traceback) endLine() {
	line := bytes.TrimRight(t.line[:t.n], "\r")
	t.n = 0
	switch {
	case len(line) == 0:
	case t.state == tracebackAhead && bytes.Equal(line, tracebackFirst):
		t.state = tracebackFrames
	case t.state == tracebackDone && (bytes.Equal(line, tracebackCaused) || bytes.Equal(line, tracebackDuring)):
		t.state = tracebackAhead
	case t.state == tracebackFrames && line[0] != ' ':
		t.state = tracebackDone
		name, _, _ := bytes.Cut(line, []byte{':'})
		if len(line) < len(t.line) || len(name) < len(line) {
			t.named = copy(t.name[:], name)
		}
	}
}

// found returns the exception's name at the end of the text, nothing if there is none.
func (t *traceback) found() []byte {
	if t.n > 0 {
		t.endLine()
	}
	if name := t.name[:t.named]; isErrorName(name) {
		return name
	}
	return nil
}
