package lab

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
)

// Logged is a statement that PostgreSQL's own log tells of.
type Logged struct {
	Backend int32
	Port    uint16 // the client's; 0 on a Unix socket
	User    string
	Text    string
	Failed  bool
}

// Logged returns the statements in the log, which must be a jsonlog, and complete: log_min_duration_statement = 0
// lists those that succeed. It reads what the server has written so far; Stop makes sure that it is all.
func (p *Postgres) Logged() []Logged {
	p.t.Helper()
	b, err := os.ReadFile(p.Log)
	if err != nil {
		p.t.Fatalf("read the log: %v", err)
	}
	var all []Logged
	for text := range bytes.Lines(b) {
		var line struct {
			PID       int32  `json:"pid"`
			Port      uint16 `json:"remote_port"`
			User      string `json:"user"`
			Severity  string `json:"error_severity"`
			Message   string `json:"message"`
			Statement string `json:"statement"`
		}
		if err := json.Unmarshal(text, &line); err != nil {
			p.t.Fatalf("read the log: %v\n%s", err, text)
		}
		l := Logged{Backend: line.PID, Port: line.Port, User: line.User}
		_, statement, timed := strings.Cut(line.Message, " ms  statement: ")
		switch {
		case timed && strings.HasPrefix(line.Message, "duration: "):
			l.Text = statement
		case line.Severity == "ERROR" && line.Statement != "":
			l.Text, l.Failed = line.Statement, true
		default:
			continue
		}
		all = append(all, l)
	}
	return all
}
