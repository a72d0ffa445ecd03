package rpclog

// Config bounds a Decoder. The zero value works.
type Config struct {
	// SessionSecret keys the hash that turns session identifiers into SessionKeys. Equal secrets give equal
	// keys, so that the same file read twice gives the same answer; set one of your own where the output is
	// shown to people who could hold a list of session identifiers. Defaults to "perfd".
	SessionSecret string
	// HeaderBytes bounds the header section of a message; longer ones are malformed. Defaults to 64 KiB.
	HeaderBytes int
	// Pipelined bounds the requests of one connection that wait for their response; the oldest is given up
	// beyond it. Defaults to 128.
	Pipelined int
	// DecodedBytes bounds how much of one compressed body is decoded. Defaults to 64 MiB.
	DecodedBytes int64
	// Decompressors bounds the compressed bodies decoded at the same time; the content of further ones is
	// passed over. Defaults to 64.
	Decompressors int
	// EchoBytes bounds how much of an answer's body is put aside where the same answer may have been seen behind
	// a reverse proxy. Defaults to 64 KiB.
	EchoBytes int
	// RequestValues and ResponseValues bound the hashes kept of one body. They default to 1024 and 4096.
	RequestValues, ResponseValues int
	// Sessions bounds the sessions whose user is remembered. Defaults to 65536.
	Sessions int
	// Names bounds the table of paths, models, methods and logins that calls share. Defaults to 16384.
	Names int

	// Keep is asked of each call whose request was read what of its bodies is put into Call.Content. It costs memory and
	// time, and what is kept is what users sent and saw. Defaults to nothing.
	Keep func(*Call) Keep
	// KeepBytes bounds what is kept of one body, decoded, and KeepTotal what is kept of all calls under way; what does not
	// fit is not kept at all. They default to 1 MiB and 64 MiB.
	KeepBytes, KeepTotal int
}

func (c Config) withDefaults() Config {
	if c.SessionSecret == "" {
		c.SessionSecret = "perfd"
	}
	positive(&c.HeaderBytes, 64<<10)
	positive(&c.Pipelined, 128)
	positive(&c.DecodedBytes, 64<<20)
	positive(&c.Decompressors, 64)
	positive(&c.EchoBytes, 64<<10)
	positive(&c.RequestValues, 1024)
	positive(&c.ResponseValues, 4096)
	positive(&c.Sessions, 65536)
	positive(&c.Names, 16384)
	positive(&c.KeepBytes, 1<<20)
	positive(&c.KeepTotal, 64<<20)
	return c
}

func positive[T int | int64](v *T, otherwise T) {
	if *v <= 0 {
		*v = otherwise
	}
}

// Stats counts what a Decoder has seen since New.
type Stats struct {
	Streams   int64 // connections claimed
	Requests  int64 // request header sections completed
	Responses int64 // final responses begun, 1xx not counted
	Calls     int64 // calls handed to Sink.End
	Messages  int64 // websocket frames handed to Sink.Message
	Orphans   int64 // responses whose request was not in the capture
	LostBytes int64 // bytes missing from claimed connections
	Resyncs   int64 // start lines found again after a loss or a malformed message
	Malformed int64 // messages that are not HTTP/1 or exceed a limit
	GivenUp   int64 // requests dropped from a full queue
	Undecoded int64 // compressed bodies not decoded to their end: corrupt, too large, too many, unknown coding
}
