package replay

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/http"
	"path"
	"time"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/compare/answer"
	"github.com/perfd/perfd/replay/load"
	"github.com/perfd/perfd/replay/safety"
)

// Mode says when a call is due.
type Mode string

// The modes. Timeline and Rate are open: a server that is late does not put off what comes after. Think and Max are
// closed: each session waits for its answers.
const (
	// Timeline sends each call when it was sent in the recording, at Speed.
	Timeline Mode = "timeline"
	// Think leaves the recorded pause between a session's calls, at Speed.
	Think Mode = "think"
	// Rate sends so many calls a second, in the order of the recording.
	Rate Mode = "rate"
	// Max sends a session's next call as soon as it may.
	Max Mode = "max"
)

// User is who a captured session is replayed as.
type User struct {
	Login    string
	Password client.Secret // or API key
}

// Anyone is the key in Config.Users of who stands in for users that have no entry of their own.
const Anyone = "*"

// Config says what is sent where, and how. Target and Database have to be given; everything else works as its zero
// value.
type Config struct {
	// Target is the address of the server (client.ParseAddress).
	Target string
	// Database is the target's.
	Database string

	// Mode defaults to Timeline, Speed to 1, Rate (calls a second, for the mode of that name) to nothing.
	Mode  Mode
	Speed float64
	Rate  float64

	// Users says for the alias of a session, a captured login or its alias, or the captured user's id, who logs in at the
	// target; Anyone for all others. Who has no entry keeps the captured login. Defaults to none.
	Users map[string]User
	// Password is that of users without one in Users. Defaults to none.
	Password client.Secret

	// Sessions and Methods are patterns (path.Match, of a session's alias or login, and of "model.method" or a path) of
	// what is sent; the rest is left out. Default to everything.
	Sessions []string
	Methods  []string
	// Safety is what may be sent. Defaults to reads alone.
	Safety safety.Policy
	// Confirm is the name of the target's database once more, by which a person vouches that it is not the captured
	// one. Defaults to none: the servers have to tell it.
	Confirm string

	// Cache answers instead of the server where it can. Defaults to none.
	Cache *cache.Loader
	// ShiftDates moves the dates in domains by the days between the recording and now. Defaults to not.
	ShiftDates bool
	// KeepIDs sends recorded ids as they are. Defaults to mapping those of records that the load itself made.
	KeepIDs bool
	// Answers tunes what counts as a difference from recorded answers, where the load has them and not only their hashes.
	// Defaults to its own defaults.
	Answers answer.Config
	// Unchecked leaves answers uncompared with the recorded ones, which saves the generator's time. Defaults to not.
	Unchecked bool

	// MaxInFlight is the number of requests at once. Defaults to 512.
	MaxInFlight int
	// PerSession is the number of requests at once of one session, as browsers have it. Defaults to 6.
	PerSession int
	// MaxQueued and MaxQueuedBytes bound the calls that are read and not answered yet. Default to 20,000 and 256 MiB.
	MaxQueued      int
	MaxQueuedBytes int64
	// MaxSessions bounds the sessions. Defaults to 50,000.
	MaxSessions int
	// MaxIDs bounds the records whose ids are mapped. Defaults to 1,000,000.
	MaxIDs int
	// MaxGap bounds the time in which nothing is sent: what is longer in the recording is cut. Defaults to 5 minutes.
	MaxGap time.Duration
	// Timeout is the limit of one request. Defaults to 120 s.
	Timeout time.Duration
	// Grace is how long what is under way is waited for once the run is stopped. Defaults to 5 s.
	Grace time.Duration
	// Logins is the number of log-ins at once. Defaults to 8.
	Logins int
	// HTTP makes the requests. Defaults to a pool of connections of its own.
	HTTP http.RoundTripper

	// Sink gets each result, one after the other. It has to be quick. Defaults to none.
	Sink func(*Result)
}

// Source is a load, in order of Call.At; Next ends with io.EOF.
type Source interface {
	Header() load.Header
	// Session is a session of the calls read so far.
	Session(id string) (load.Session, bool)
	Next() (load.Call, error)
}

var _ Source = (*load.Reader)(nil)

func (c Config) withDefaults() Config {
	c.Mode = cmp.Or(c.Mode, Timeline)
	c.Speed = cmp.Or(c.Speed, 1)
	c.MaxInFlight = cmp.Or(c.MaxInFlight, 512)
	c.PerSession = cmp.Or(c.PerSession, 6)
	c.MaxQueued = cmp.Or(c.MaxQueued, 20_000)
	c.MaxQueuedBytes = cmp.Or(c.MaxQueuedBytes, 256<<20)
	c.MaxSessions = cmp.Or(c.MaxSessions, 50_000)
	c.MaxIDs = cmp.Or(c.MaxIDs, 1_000_000)
	c.MaxGap = cmp.Or(c.MaxGap, 5*time.Minute)
	c.Timeout = cmp.Or(c.Timeout, 120*time.Second)
	c.Grace = cmp.Or(c.Grace, 5*time.Second)
	c.Logins = cmp.Or(c.Logins, 8)
	return c
}

// Validate says what is wrong with the configuration, all of it.
func (c Config) Validate() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch c.Mode {
	case "", Timeline, Think, Max:
	case Rate:
		if !(c.Rate > 0 && c.Rate <= 1e6) {
			bad("rate %v: want calls a second, from above 0 to 1,000,000", c.Rate)
		}
	default:
		bad("mode %q: want timeline, think, rate or max", c.Mode)
	}
	if c.Speed < 0 || c.Speed > 1e6 || math.IsNaN(c.Speed) {
		bad("speed %v: want above 0, to 1,000,000", c.Speed)
	}
	if c.Target == "" {
		bad("no target is named")
	}
	for _, list := range [][]string{c.Sessions, c.Methods} {
		for _, p := range list {
			if _, err := path.Match(p, ""); err != nil {
				bad("pattern %q: %w", p, err)
			}
		}
	}
	for name, n := range map[string]int64{
		"MaxInFlight": int64(c.MaxInFlight), "PerSession": int64(c.PerSession), "MaxQueued": int64(c.MaxQueued), "MaxQueuedBytes": c.MaxQueuedBytes,
		"MaxSessions": int64(c.MaxSessions), "MaxIDs": int64(c.MaxIDs), "MaxGap": int64(c.MaxGap), "Timeout": int64(c.Timeout), "Grace": int64(c.Grace),
		"Logins": int64(c.Logins),
	} {
		if n < 0 {
			bad("%s %d: want nothing negative", name, n)
		}
	}
	if err := c.Safety.Validate(); err != nil {
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// wanted tells whether a name is in a list of patterns; an empty list has everything.
func wanted(patterns []string, names ...string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		for _, name := range names {
			if ok, _ := path.Match(p, name); ok {
				return true
			}
		}
	}
	return false
}
