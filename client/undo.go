package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Undone is what Undo has done so far.
type Undone struct {
	// Steps is the number of changes that were undone.
	Steps int
	// NewIDs has, by model, for the id of each record that was deleted the id that it has now.
	NewIDs map[string]map[int64]int64
	// Uncertain says what may have happened and could not be undone.
	Uncertain []string
}

// WithUndo calls do with a log, and undoes what do has changed by it if do returns an error or panics. The error is
// do's, joined with that of the undoing. Undoing goes on after ctx has ended, for a minute at most.
func WithUndo(ctx context.Context, c Caller, do func(*UndoLog) error) (undone Undone, err error) {
	l := NewUndoLog(c)
	undo := func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
		defer cancel()
		var err error
		undone, err = l.Undo(ctx)
		return err
	}
	finished := false
	defer func() {
		if !finished { // a panic, which goes on
			_ = undo()
		}
	}()
	err = do(l)
	finished = true
	if err != nil {
		err = errors.Join(err, undo())
	}
	return undone, err
}

// Undo undoes the changes, the last one first. At an error it stops and keeps in the log what is not undone yet; what
// Undone has is true in that case, too.
func (l *UndoLog) Undo(ctx context.Context) (Undone, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var u Undone
	var err error
	for len(l.steps) > 0 && err == nil {
		s := &l.steps[len(l.steps)-1]
		switch s.kind {
		case made:
			err = l.unmake(ctx, s)
		case written:
			err = l.unwrite(ctx, s)
		case deleted:
			err = l.undelete(ctx, s)
		}
		if err != nil {
			err = fmt.Errorf("undo: %w", err)
			break
		}
		l.steps = l.steps[:len(l.steps)-1]
		u.Steps++
	}
	u.NewIDs = make(map[string]map[int64]int64, len(l.newIDs))
	for model, ids := range l.newIDs {
		u.NewIDs[model] = maps.Clone(ids)
	}
	u.Uncertain = slices.Clone(l.uncertain)
	return u, err
}

// now is the id that a record has now.
func (l *UndoLog) now(model string, id int64) int64 {
	if now, ok := l.newIDs[model][id]; ok {
		return now
	}
	return id
}

// became notes that what was known by the id that a record had, and by all that it had before, has a new one.
func (l *UndoLog) became(model string, id, now int64) {
	ids := l.newIDs[model]
	if ids == nil {
		ids = map[int64]int64{}
		l.newIDs[model] = ids
	}
	id = l.now(model, id)
	for first, last := range ids {
		if last == id {
			ids[first] = now
		}
	}
	ids[id] = now
}

func (l *UndoLog) allNow(model string, ids []int64) []int64 {
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = l.now(model, id)
	}
	return out
}

func (l *UndoLog) unmake(ctx context.Context, s *step) error {
	return Unlink(ctx, l.caller, s.model, l.allNow(s.model, s.ids), l.options...)
}

func (l *UndoLog) unwrite(ctx context.Context, s *step) error {
	info := l.fields[s.model]
	ids := l.allNow(s.model, s.ids)
	var current []Record // Tryton changes relations by difference
	if l.protocol == Tryton {
		if many := namesOf(s.old[0], info, "many2many"); len(many) > 0 {
			var err error
			if current, err = l.before(ctx, s.model, ids, many); err != nil {
				return err
			}
		}
	}
	changes := make([]Change, len(ids))
	for i, id := range ids {
		var now Record
		if current != nil {
			now = current[i]
		}
		changes[i] = Change{id, l.restore(info, s.old[i], now)}
	}
	// Ids that were given twice have the same old values.
	slices.SortStableFunc(changes, func(a, b Change) int { return int(a.ID - b.ID) })
	changes = slices.CompactFunc(changes, func(a, b Change) bool { return a.ID == b.ID })
	b := Batch{Caller: l.caller, Concurrency: 1, StopOnError: true, Options: l.options}
	return Failed(b.Write(ctx, s.model, changes))
}

func (l *UndoLog) undelete(ctx context.Context, s *step) error {
	if s.maybe {
		if err := l.leaveThere(ctx, s); err != nil {
			return err
		}
	}
	info := l.fields[s.model]
	gone := make(map[int64]bool, len(s.ids)) // and not yet there again
	for _, id := range s.ids {
		gone[id] = true
	}
	for len(s.ids) > 0 {
		n := min(len(s.ids), 100)
		values := make([]Record, n)
		var later []Change
		for i := range values {
			first, second := apart(info, s.model, s.old[i], gone)
			values[i] = l.restore(info, first, nil)
			if len(second) > 0 {
				later = append(later, Change{s.ids[i], second})
			}
		}
		ids, err := Create(ctx, l.caller, s.model, values, l.options...)
		if err != nil {
			return err
		}
		for i, id := range ids {
			l.became(s.model, s.ids[i], id)
		}
		s.ids, s.old, s.later = s.ids[n:], s.old[n:], append(s.later, later...)
	}
	changes := make([]Change, len(s.later))
	for i, c := range s.later {
		changes[i] = Change{l.now(s.model, c.ID), l.restore(info, c.Values, nil)}
	}
	b := Batch{Caller: l.caller, Concurrency: 1, StopOnError: true, Options: l.options}
	return Failed(b.Write(ctx, s.model, changes))
}

// apart takes those fields out of what a record had that refer to records which do not exist yet.
func apart(info map[string]fieldInfo, model string, old Record, gone map[int64]bool) (first, second Record) {
	first, second = make(Record, len(old)), Record{}
	for name, v := range old {
		ids := []int64{refOf(v)}
		if info[name].Type == "many2many" {
			ids = idsIn(v)
		}
		relation := info[name].Type == "many2one" || info[name].Type == "many2many"
		if relation && info[name].Relation == model && slices.ContainsFunc(ids, func(id int64) bool { return gone[id] }) {
			second[name] = v
		} else {
			first[name] = v
		}
	}
	return first, second
}

// leaveThere takes out of a step what was not deleted after all.
func (l *UndoLog) leaveThere(ctx context.Context, s *step) error {
	opts := []CallOption{NoCache(), InContext(map[string]any{"active_test": false})}
	there, err := Records(l.caller, s.model).Filter(F("id").InIDs(l.allNow(s.model, s.ids))).With(l.options...).With(opts...).IDs(ctx)
	if err != nil {
		return err
	}
	var gone step
	for i, id := range s.ids {
		if !slices.Contains(there, l.now(s.model, id)) {
			gone.ids, gone.old = append(gone.ids, id), append(gone.old, s.old[i])
		}
	}
	s.ids, s.old, s.maybe = gone.ids, gone.old, false
	return nil
}

func namesOf(r Record, info map[string]fieldInfo, kind string) []string {
	var out []string
	for name := range r {
		if info[name].Type == kind {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// restore makes values to write of values that were read. Current is what the record has now; nil of a new one.
func (l *UndoLog) restore(info map[string]fieldInfo, old, current Record) Record {
	out := make(Record, len(old))
	for name, v := range old {
		f := info[name]
		switch {
		case name == "id" || f.Type == "": // what the server adds of its own accord
		case f.Type == "many2one":
			out[name] = v
			if id := refOf(v); id != 0 {
				out[name] = l.now(f.Relation, id)
			}
		case f.Type == "many2many" && l.protocol == Tryton:
			out[name] = difference(l.allNow(f.Relation, idsIn(current[name])), l.allNow(f.Relation, idsIn(v)))
		case f.Type == "many2many":
			out[name] = []any{[]any{6, 0, l.allNow(f.Relation, idsIn(v))}}
		default:
			out[name] = v
		}
	}
	return out
}

// difference are Tryton's commands that make one list of ids of another.
func difference(from, to []int64) []any {
	commands := []any{}
	without := func(a, b []int64) []int64 {
		return slices.DeleteFunc(slices.Clone(a), func(id int64) bool { return slices.Contains(b, id) })
	}
	if gone := without(from, to); len(gone) > 0 {
		commands = append(commands, []any{"remove", gone})
	}
	if add := without(to, from); len(add) > 0 {
		commands = append(commands, []any{"add", add})
	}
	return commands
}

func idsIn(v any) []int64 {
	list, _ := v.([]any)
	out := make([]int64, 0, len(list))
	for _, item := range list {
		if n, ok := item.(json.Number); ok {
			if id, err := n.Int64(); err == nil {
				out = append(out, id)
			}
		}
	}
	return out
}
