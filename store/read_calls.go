package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"time"

	"github.com/perfd/perfd/rpclog"
)

const briefColumns = `c.id, c.start, c.duration, c.method, c.user, c.session, c.client, c.class, c.failed, c.statements,
c.wait, c.application, c.sql, c.lock, c.retry, c.transfer, c.unknown`

// briefScan holds the targets of briefColumns, so that scanning a row allocates nothing of its own.
type briefScan struct {
	v                                                    *vocabulary
	b                                                    Brief
	id, start, duration, method, user, session, host, cl int64
	failed                                               bool
	targets                                              []any
}

func newBriefScan(v *vocabulary) *briefScan {
	s := &briefScan{v: v}
	t := &s.b.Time
	s.targets = []any{&s.id, &s.start, &s.duration, &s.method, &s.user, &s.session, &s.host, &s.cl, &s.failed, &s.b.Statements,
		(*int64)(&t.Wait), (*int64)(&t.Application), (*int64)(&t.SQL), (*int64)(&t.Lock), (*int64)(&t.Retry), (*int64)(&t.Transfer), (*int64)(&t.Unknown)}
	return s
}

// finish resolves the ids after a row was scanned.
func (s *briefScan) finish() {
	m, u := s.v.methods.at(s.method), s.v.users.at(s.user)
	s.b.ID, s.b.Start, s.b.Duration = rpclog.CallID(s.id), time.Unix(0, s.start).UTC(), time.Duration(s.duration)
	s.b.Name, s.b.Model, s.b.Method = m.name, m.model, m.method
	s.b.User, s.b.UID, s.b.Login = u.name, u.uid, u.login
	s.b.Session, s.b.Host = s.v.sessions.at(s.session), s.v.words.at(s.host)
	s.b.Class, s.b.Failed = rpclog.Class(s.cl), s.failed
}

const callColumns = briefColumns + `, c.head, c.sent, c.first, c.transport, c.verb, coalesce((SELECT text FROM paths WHERE id = c.path), ''), c.db,
c.client_port, c.server, c.server_port, c.status, c.error, c.ids, c.request_bytes, c.response_bytes, c.gaps, c.probability, c.rules, c.counted`

func scanCall(r *sql.Rows, b *briefScan) (Call, error) {
	var c Call
	var head, sent, first, transport, verb, db, clientPort, server, serverPort, failure, gaps, rules int64
	err := r.Scan(append(b.targets[:len(b.targets):len(b.targets)], &head, &sent, &first, &transport, &verb, &c.Path, &db,
		&clientPort, &server, &serverPort, &c.Status, &failure, &c.IDs, &c.RequestBytes, &c.ResponseBytes, &gaps, &c.Probability, &rules, &c.Counted)...)
	if err != nil {
		return c, err
	}
	b.finish()
	v := b.v
	c.Brief = b.b
	c.Head, c.Sent, c.First = time.Duration(head), time.Duration(sent), time.Duration(first)
	c.Transport, c.Gaps = rpclog.Transport(transport), rpclog.Gap(gaps)
	c.Verb, c.Service, c.Database, c.Error = v.words.at(verb), v.methods.at(b.method).service, v.words.at(db), v.words.at(failure)
	c.Client = address(b.b.Host, clientPort)
	c.Server = address(v.words.at(server), serverPort)
	c.Findings = []string{}
	for i, name := range v.rules {
		if uint64(rules)&(1<<i) != 0 {
			c.Findings = append(c.Findings, name)
		}
	}
	sort.Strings(c.Findings)
	return c, nil
}

func address(host string, port int64) string {
	if host == "" {
		return ""
	}
	return net.JoinHostPort(host, strconv.FormatInt(port, 10))
}

// Calls returns one page of the calls that match, and how many match in all.
func (s *SQLite) Calls(ctx context.Context, f Filter, p Page) ([]Call, int64, error) {
	column := sortColumns[p.Sort]
	if column == "" {
		return nil, 0, fmt.Errorf("list calls: no sort key %q", p.Sort)
	}
	v, err := s.view(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer v.close()
	// The page's ids are found first: sorting carries the key alone, and the other columns are read for the page only.
	w := f.where()
	from := " FROM " + f.table() + w.String()
	page, args := "(SELECT c.id"+from+p.orderBy(column, "c.id")+" LIMIT ? OFFSET ?)", append(w.args, p.Limit, p.Offset)
	var total int64
	if w.found { // where the calls are is asked once for both
		var ids string
		err = v.tx.QueryRowContext(ctx, "WITH m (id, k) AS MATERIALIZED (SELECT c.id, "+column+from+") SELECT (SELECT count(*) FROM m), "+
			"(SELECT json_group_array(id) FROM (SELECT id FROM m"+p.orderBy("k", "id")+" LIMIT ? OFFSET ?))", args...).Scan(&total, &ids)
		page, args = "(SELECT value FROM json_each(?))", []any{ids}
	} else {
		err = v.tx.QueryRowContext(ctx, "SELECT count(*)"+from, w.args...).Scan(&total)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("count calls: %w", err)
	}
	calls, b := make([]Call, 0, min(max(p.Limit, 0), 1000)), newBriefScan(v.words)
	err = each(ctx, v.tx, "SELECT "+callColumns+" FROM calls c WHERE c.id IN "+page+p.orderBy(column, "c.id"), args, func(r *sql.Rows) error {
		c, err := scanCall(r, b)
		calls = append(calls, c)
		return err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("list calls: %w", err)
	}
	return calls, total, nil
}

// Neighbours returns the calls before and after the given one in the list of filter and sort.
func (s *SQLite) Neighbours(ctx context.Context, id rpclog.CallID, f Filter, p Page) (prev, next rpclog.CallID, err error) {
	column := sortColumns[p.Sort]
	if column == "" {
		return 0, 0, fmt.Errorf("find neighbours: no sort key %q", p.Sort)
	}
	v, err := s.view(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer v.close()
	w := f.where()
	w.add("c.id = ?", int64(id))
	var key any
	err = v.tx.QueryRowContext(ctx, "SELECT "+column+" FROM calls c"+w.String(), w.args...).Scan(&key)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	if err != nil {
		return 0, 0, fmt.Errorf("find neighbours: %w", err)
	}
	near := func(desc bool) (rpclog.CallID, error) {
		op := ">"
		if desc {
			op = "<"
		}
		w := f.where()
		w.add("("+column+", c.id) "+op+" (?, ?)", key, int64(id))
		order := Page{Desc: desc}
		var found int64
		err := v.tx.QueryRowContext(ctx, "SELECT c.id FROM calls c"+w.String()+order.orderBy(column, "c.id")+" LIMIT 1", w.args...).Scan(&found)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("find neighbours: %w", err)
		}
		return rpclog.CallID(found), nil
	}
	if prev, err = near(!p.Desc); err != nil {
		return 0, 0, err
	}
	next, err = near(p.Desc)
	return prev, next, err
}

// Call returns a call with all that belongs to it, or ErrNotFound.
func (s *SQLite) Call(ctx context.Context, id rpclog.CallID) (*Detail, error) {
	v, err := s.view(ctx)
	if err != nil {
		return nil, err
	}
	defer v.close()
	d := &Detail{Leases: []Backend{}, Spans: []Span{}, Findings: []Finding{}}
	found := false
	b := newBriefScan(v.words)
	err = each(ctx, v.tx, "SELECT "+callColumns+" FROM calls c WHERE c.id = ?", []any{int64(id)}, func(r *sql.Rows) (err error) {
		found = true
		d.Call, err = scanCall(r, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read call: %w", err)
	}
	if !found {
		return nil, fmt.Errorf("read call %d: %w", id, ErrNotFound)
	}
	var blob []byte
	err = v.tx.QueryRowContext(ctx, "SELECT data FROM spans WHERE call = ?", int64(id)).Scan(&blob)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, fmt.Errorf("read spans: %w", err)
	default:
		var leases []uint64
		if leases, d.Spans, err = v.words.spans(blob, nil, nil); err != nil {
			return nil, fmt.Errorf("read spans of call %d: %w", id, err)
		}
		if d.Leases, err = v.backends(ctx, leases); err != nil {
			return nil, err
		}
	}
	var front Front
	err = v.tx.QueryRowContext(ctx, "SELECT client, server, starts, ends FROM fronts WHERE call = ?", int64(id)).
		Scan(&front.Client, &front.Server, (*int64)(&front.Start), (*int64)(&front.End))
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return nil, fmt.Errorf("read front: %w", err)
	default:
		d.Front = &front
	}
	err = each(ctx, v.tx, `SELECT r.name, f.title, f.fix, f.cost, f.spans FROM findings f JOIN rules r ON r.id = f.rule
WHERE f.call = ? ORDER BY f.position`, []any{int64(id)}, func(r *sql.Rows) error {
		f, err := scanFinding(r)
		d.Findings = append(d.Findings, f)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read findings: %w", err)
	}
	return d, nil
}

// scanFinding reads name, title, fix, cost and spans, in this order, after the given targets.
func scanFinding(r *sql.Rows, before ...any) (Finding, error) {
	var f Finding
	var spans []byte
	if err := r.Scan(append(before, &f.Rule, &f.Title, &f.Fix, (*int64)(&f.Cost), &spans)...); err != nil {
		return f, err
	}
	f.Spans = []int{}
	for len(spans) > 0 {
		v, n := binary.Uvarint(spans)
		if n <= 0 {
			return f, errors.New("malformed list of spans")
		}
		f.Spans = append(f.Spans, int(v))
		spans = spans[n:]
	}
	return f, nil
}

// backends looks up the connections with the given ids.
func (v *view) backends(ctx context.Context, ids []uint64) ([]Backend, error) {
	found := make([]Backend, len(ids))
	for i, id := range ids {
		b := &found[i]
		err := v.tx.QueryRowContext(ctx, "SELECT client, server, db, user, application, pid FROM backends WHERE id = ?", int64(id)).
			Scan(&b.Client, &b.Server, &b.Database, &b.User, &b.Application, &b.PID)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return nil, fmt.Errorf("read backends: %w", err)
		}
	}
	return found, nil
}
