package sqltrace

import (
	"slices"
	"testing"

	"github.com/perfd/perfd/capture"
)

// A statement from elsewhere equals that of the wire in what its text tells.
func TestNewStatementEqualsTheWire(t *testing.T) {
	c := &collector{}
	d := New(Config{}, c)
	text := "SELECT name FROM item WHERE id IN (41, 42) AND code = 'it''s'"
	stream := d.NewStream(capture.Conn{ID: 1, Joined: true})
	stream.Chunk(capture.Chunk{Dir: capture.ToServer, Data: append([]byte{'Q', 0, 0, 0, byte(len(text) + 5)}, text+"\x00"...)})
	stream.Close(capture.Chunk{}.Time)
	wire := c.statements[0]
	session := &Session{}
	st := d.NewStatement(session, []byte(text), nil)
	if st.Fingerprint != wire.Fingerprint || st.TextHash != wire.TextHash || st.TextBytes != wire.TextBytes ||
		st.Kind != Query || !slices.Equal(st.Literals, wire.Literals) || st.Session != session || st.ID <= wire.ID || st.Rows != -1 {
		t.Errorf("elsewhere %+v\nwire      %+v", *st, *wire)
	}
	if n := d.Stats().Statements; n != 1 {
		t.Errorf("%d statements counted, want that of the wire alone", n)
	}
}

func TestNewStatementHashesParameters(t *testing.T) {
	d := New(Config{}, &collector{})
	text := []byte("SELECT name FROM item WHERE id = $1 AND code = 'fixed'")
	bare := d.NewStatement(&Session{}, text, nil)
	one := d.NewStatement(&Session{}, text, [][]byte{[]byte("4711")})
	same := d.NewStatement(&Session{}, text, [][]byte{[]byte("4711")})
	other := d.NewStatement(&Session{}, text, [][]byte{[]byte("4712")})
	if one.TextHash != same.TextHash || one.TextHash == other.TextHash || one.TextHash == bare.TextHash {
		t.Error("TextHash does not tell parameters apart")
	}
	if one.Fingerprint != other.Fingerprint || len(bare.Literals) != 1 || len(one.Literals) != 2 || one.Literals[1] != hashLiteral([]byte("4711")) {
		t.Errorf("literals %v and %v", bare.Literals, one.Literals)
	}
}
