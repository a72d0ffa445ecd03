package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/perfd/perfd/rpclog"
)

// Findings passes the findings of the matching calls to yield, in order of call and place.
func (s *SQLite) Findings(ctx context.Context, f Filter, yield func(*Brief, Finding)) error {
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	return v.findings(ctx, &f, yield)
}

func (v *view) findings(ctx context.Context, f *Filter, yield func(*Brief, Finding)) error {
	w, b := f.where(), newBriefScan(v.words)
	var blob sql.RawBytes
	var leases []uint64
	var spans []Span
	read := rpclog.CallID(0) // whose spans these are; ids begin with 1
	// CROSS JOIN keeps the order of the join: there are few findings and many calls.
	err := each(ctx, v.tx, "SELECT "+briefColumns+", (SELECT s.data FROM spans s WHERE s.call = c.id), r.name, f.title, f.fix, f.cost, f.spans FROM findings f CROSS JOIN calls c ON c.id = f.call JOIN rules r ON r.id = f.rule"+
		w.String()+" ORDER BY f.call, f.position", w.args, func(r *sql.Rows) error {
		found, err := scanFinding(r, append(b.targets[:len(b.targets):len(b.targets)], &blob)...)
		if err != nil {
			return err
		}
		b.finish()
		if len(found.Spans) > 0 {
			if read != b.b.ID {
				if leases, spans, err = v.words.spans(blob, leases, spans); err != nil {
					return fmt.Errorf("call %d: %w", b.b.ID, err)
				}
				read = b.b.ID
			}
			if at := found.Spans[0]; at >= 0 && at < len(spans) {
				found.Shape = spans[at].Shape
			}
		}
		yield(&b.b, found)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan findings: %w", err)
	}
	return nil
}

const groupColumns = "b.id, b.start, b.duration, w.text, p.client, p.server, p.db, p.user, p.application, p.pid, b.statements, b.sql"

const groupTables = " FROM background b JOIN words w ON w.id = b.kind JOIN backends p ON p.id = b.backend"

func scanGroup(r *sql.Rows, more ...any) (Background, error) {
	var g Background
	var start int64
	p := &g.Backend
	err := r.Scan(append([]any{&g.ID, &start, (*int64)(&g.Duration), &g.Kind, &p.Client, &p.Server, &p.Database, &p.User, &p.Application, &p.PID,
		&g.Statements, (*int64)(&g.SQL)}, more...)...)
	g.Start = time.Unix(0, start).UTC()
	return g, err
}

// Background returns the statements that no call owns; a zero Page.Limit means all of them.
func (s *SQLite) Background(ctx context.Context, f BackgroundFilter, p Page) ([]Background, int64, error) {
	column := backgroundColumns[p.Sort]
	if column == "" {
		return nil, 0, fmt.Errorf("list background: no sort key %q", p.Sort)
	}
	v, err := s.view(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer v.close()
	w := f.where()
	var total int64
	if err := v.tx.QueryRowContext(ctx, "SELECT count(*) FROM background b"+w.String(), w.args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("count background: %w", err)
	}
	limit := p.Limit
	if limit == 0 {
		limit = -1
	}
	groups := []Background{}
	err = each(ctx, v.tx, "SELECT "+groupColumns+groupTables+w.String()+p.orderBy(column, "b.id")+" LIMIT ? OFFSET ?",
		append(w.args, limit, p.Offset), func(r *sql.Rows) error {
			g, err := scanGroup(r)
			groups = append(groups, g)
			return err
		})
	if err != nil {
		return nil, 0, fmt.Errorf("list background: %w", err)
	}
	return groups, total, nil
}

// BackgroundSpans passes the spans of the matching groups to yield, in order of start.
func (s *SQLite) BackgroundSpans(ctx context.Context, f BackgroundFilter, yield func(*Background, []Span)) error {
	v, err := s.view(ctx)
	if err != nil {
		return err
	}
	defer v.close()
	w := f.where()
	var blob sql.RawBytes
	var leases []uint64
	var spans []Span
	err = each(ctx, v.tx, "SELECT "+groupColumns+", b.data"+groupTables+w.String()+" ORDER BY b.start, b.id", w.args, func(r *sql.Rows) error {
		g, err := scanGroup(r, &blob)
		if err != nil {
			return err
		}
		if leases, spans, err = v.words.spans(blob, leases, spans); err != nil {
			return fmt.Errorf("background group %d: %w", g.ID, err)
		}
		yield(&g, spans)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scan background: %w", err)
	}
	return nil
}
