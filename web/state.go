package web

import (
	"bytes"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// State tells how the watching goes: what it sees, what it leaves out, what it needs. Whoever watches fills it in;
// what does not apply is left at its zero value, and the pages leave it out.
type State struct {
	// Started is when the watching began; the numbers below count from then.
	Started time.Time
	// Calls and Statements that were decoded.
	Calls, Statements int64

	Taps      []Tap
	Shed      Shed
	Queue     Queue
	Store     Storage
	Evidence  []Evidence
	Agreement Agreement
	// MemoryBytes in use, and the budget.
	MemoryBytes, MemoryLimit int64
	// CPU is the share of one processor in use, and CPULimit the budget, 0 for none.
	CPU, CPULimit float64
	// Notices are what a person has to know, the most severe first.
	Notices []Notice
}

// Tap is one place where traffic is seen: a network interface, a proxy, a log.
type Tap struct {
	Name   string // lo, eth0, 127.0.0.1:8070
	Kind   string // interface, proxy or log
	State  string // up, down, gone, blind: in one word
	Detail string // why, or what it is about: "ports 8069, 5432"
	// Packets and Bytes that came, Drops of packets that did not, Freezes: how often the ring was full.
	Packets, Bytes, Drops, Freezes int64
}

// Shed tells what is left out to keep up.
type Shed struct {
	Level  int       // 0: nothing is left out
	Detail string    // what is, as "statements"
	Since  time.Time // of this level
	// Texts, Statements and Calls left out since the start.
	Texts, Statements, Calls int64
	Bytes                    int64 // of traffic that was not decoded since the start: what was in it is not known
}

// Queue is what waits between the decoders and the store.
type Queue struct{ Waiting, Bytes, Limit, Dropped int64 }

// Storage is the store that the pages read.
type Storage struct {
	Bytes, Limit int64 // of the file; Limit 0 for none
	LogBytes     int64 // of the write-ahead log beside it
	Oldest       time.Time
	MaxAge       time.Duration // 0: nothing is deleted by age
	Stored, Lost int64         // calls and background groups
	Error        string        // why nothing can be written now, "" if all is well
}

// Evidence is one way to know whose a statement is.
type Evidence struct {
	Name   string // process, thread, log
	Active bool
	Detail string // by what means, or why not
}

// Agreement compares what was reconstructed with what the application server's own log says.
type Agreement struct {
	Calls, Agreed int64   // calls found in the log, and those with as many statements as it says
	Recent        float64 // share of the last ones
}

// Notice is something a person has to know, and how to mend it.
type Notice struct {
	Severity string // critical: something is lost; warning: something is lacking; info
	Title    string
	Fix      string
}

type stateView struct {
	Started    stamp          `json:"started,omitzero"`
	Calls      int64          `json:"calls"`
	Statements int64          `json:"statements"`
	Taps       []tapView      `json:"taps"`
	Shed       shedView       `json:"shed"`
	Queue      queueView      `json:"queue"`
	Store      storageView    `json:"store"`
	Evidence   []evidenceView `json:"evidence"`
	Agreement  agreementView  `json:"agreement"`
	Memory     boundView      `json:"memory"`
	CPU        shareView      `json:"cpu"`
	Notices    []severeView   `json:"notices"`
}

type tapView struct {
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Detail  string `json:"detail"`
	Packets int64  `json:"packets"`
	Bytes   int64  `json:"bytes"`
	Drops   int64  `json:"drops"`
	Freezes int64  `json:"freezes"`
}

type shedView struct {
	Level      int    `json:"level"`
	Detail     string `json:"detail"`
	Since      stamp  `json:"since,omitzero"`
	Texts      int64  `json:"texts"`
	Statements int64  `json:"statements"`
	Calls      int64  `json:"calls"`
	Bytes      int64  `json:"bytes"`
}

type queueView struct {
	Waiting int64 `json:"waiting"`
	Bytes   int64 `json:"bytes"`
	Limit   int64 `json:"limit"`
	Dropped int64 `json:"dropped"`
}

type storageView struct {
	Bytes    int64   `json:"bytes"`
	Limit    int64   `json:"limit"`
	LogBytes int64   `json:"log_bytes"`
	Oldest   stamp   `json:"oldest,omitzero"`
	MaxAge   seconds `json:"max_age"`
	Stored   int64   `json:"stored"`
	Lost     int64   `json:"lost"`
	Error    string  `json:"error"`
}

type evidenceView struct {
	Name   string `json:"name"`
	Active bool   `json:"active"`
	Detail string `json:"detail"`
}

type agreementView struct {
	Calls  int64   `json:"calls"`
	Agreed int64   `json:"agreed"`
	Recent float64 `json:"recent"`
}

type boundView struct {
	Bytes int64 `json:"bytes"`
	Limit int64 `json:"limit"`
}

type shareView struct {
	Share float64 `json:"share"`
	Limit float64 `json:"limit"`
}

type severeView struct {
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Fix      string `json:"fix"`
}

func viewState(s *State) stateView {
	v := stateView{Started: stamp(s.Started), Calls: s.Calls, Statements: s.Statements,
		Taps: make([]tapView, len(s.Taps)), Evidence: make([]evidenceView, len(s.Evidence)), Notices: make([]severeView, len(s.Notices)),
		Shed:      shedView{s.Shed.Level, s.Shed.Detail, stamp(s.Shed.Since), s.Shed.Texts, s.Shed.Statements, s.Shed.Calls, s.Shed.Bytes},
		Queue:     queueView(s.Queue),
		Agreement: agreementView{s.Agreement.Calls, s.Agreement.Agreed, rounded(s.Agreement.Recent)},
		Memory:    boundView{s.MemoryBytes, s.MemoryLimit}, CPU: shareView{rounded(s.CPU), rounded(s.CPULimit)}}
	st := &s.Store
	v.Store = storageView{st.Bytes, st.Limit, st.LogBytes, stamp(st.Oldest), seconds(st.MaxAge), st.Stored, st.Lost, st.Error}
	for i, t := range s.Taps {
		v.Taps[i] = tapView(t)
	}
	for i, e := range s.Evidence {
		v.Evidence[i] = evidenceView(e)
	}
	for i, n := range s.Notices {
		v.Notices[i] = severeView(n)
	}
	return v
}

// lastState is the state as it was encoded last, for all who look at it.
type lastState struct {
	mu   sync.Mutex
	at   time.Time
	body []byte
	n    uint64 // counts changes
}

// stateEvery is how often the state is asked for, however many look at it.
const stateEvery = time.Second

// stateNow returns the encoded state, at most stateEvery old, and a number that changes when it does.
func (s *Server) stateNow() (body []byte, n uint64, err error) {
	l := &s.state
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.body == nil || now.Sub(l.at) >= stateEvery-50*time.Millisecond {
		state := s.cfg.Live.State()
		b, err := encode(viewState(&state))
		if err != nil {
			return nil, 0, err
		}
		l.at = now
		if b = bytes.TrimSpace(b); !bytes.Equal(b, l.body) {
			l.body = b
			l.n++
		}
	}
	return l.body, l.n, nil
}

// appendState writes the state with the time at which it was asked for.
func appendState(b []byte, now time.Time, state []byte) []byte {
	b = append(b, `{"now":`...)
	b = appendSeconds(b, now.UnixNano())
	b = append(b, `,"state":`...)
	b = append(b, state...)
	return append(b, '}')
}

// watchState answers GET /state. It is never kept: the state changes without the store.
func (s *Server) watchState(c *gin.Context) {
	p := newParams(c.Request.URL.RawQuery)
	if !p.done() {
		fail(c, p.problem)
		return
	}
	if s.cfg.Live == nil {
		fail(c, notLive())
		return
	}
	body, _, err := s.stateNow()
	if err != nil {
		fail(c, explain(err))
		return
	}
	c.Header("Cache-Control", "no-store")
	c.Data(200, "application/json; charset=utf-8", append(appendState(nil, time.Now(), body), '\n'))
}
