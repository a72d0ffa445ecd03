package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// undoTime is how long WithUndo may take to undo.
const undoTime = time.Minute

// ErrNotUndoable says that a change was refused because there would be no way back. Nothing was changed.
var ErrNotUndoable = errors.New("cannot be undone")

// UndoLog changes records and keeps what is needed to change them back, by calls that compensate: what was made is
// deleted, what was written is written back, what was deleted is made again. It serves for work of several calls that
// is to leave little behind if one of them fails.
//
// It is no transaction. Every call is committed at once and seen by all, and whatever the server did because of it
// stays done: messages sent, numbers taken, computed fields, other records. In particular:
//
//   - Others may change the records in between: undoing overwrites what they wrote.
//   - A record that was deleted comes back with another id (see Undone.NewIDs), without its one2many records, without
//     its read-only fields, and without what referred to it elsewhere.
//   - Undoing can fail, as any call can. Then it stops; what is left remains in the log, and Undo goes on with it.
//   - After a call of which nobody knows whether it had an effect, writes and deletions are undone as if it had; of
//     records that may have been made nobody knows the ids (see Undone.Uncertain).
//
// It reads before it changes: one fields_get of each model, and before a write or a deletion what the records have.
// Fields of type one2many are refused in a write, with ErrNotUndoable. It is safe for concurrent use; changes are made
// one after the other.
type UndoLog struct {
	caller   Caller
	protocol Protocol
	options  []CallOption

	mu        sync.Mutex
	steps     []step
	fields    map[string]map[string]fieldInfo
	newIDs    map[string]map[int64]int64
	uncertain []string
}

// NewUndoLog makes a log of changes that are made by c.
func NewUndoLog(c Caller, opts ...CallOption) *UndoLog {
	return &UndoLog{
		caller: c, protocol: protocolOf(c), options: opts,
		fields: map[string]map[string]fieldInfo{}, newIDs: map[string]map[int64]int64{},
	}
}

// step is a change and how it is undone.
type step struct {
	kind  stepKind
	model string
	ids   []int64
	old   []Record // of a write and a deletion: what the records had, as the server gave it; in the order of ids
	maybe bool     // nobody knows whether it happened
	later []Change // of a deletion that is being undone: references among what was deleted, by the old ids
}

type stepKind uint8

const (
	made stepKind = iota
	written
	deleted
)

// fieldInfo is what fields_get tells of a field.
type fieldInfo struct {
	Type     string `json:"type"`
	Relation string `json:"relation"`
	ReadOnly bool   `json:"readonly"`
	Store    *bool  `json:"store"` // Odoo alone says
}

// restorable tells whether a new record can be given what a deleted one had.
func (f fieldInfo) restorable(name string) bool {
	switch f.Type {
	case "one2many", "one2one", "properties", "properties_definition":
		return false
	}
	switch name {
	case "id", "create_uid", "create_date", "write_uid", "write_date", "__last_update":
		return false
	}
	return !f.ReadOnly && (f.Store == nil || *f.Store)
}

// Create makes records.
func (l *UndoLog) Create(ctx context.Context, model string, values ...Record) ([]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids, err := Create(ctx, l.caller, model, values, l.options...)
	if err != nil {
		if perhaps(err) {
			l.uncertain = append(l.uncertain, fmt.Sprintf("create %d records of %s: %v", len(values), model, err))
		}
		return nil, err
	}
	l.steps = append(l.steps, step{kind: made, model: model, ids: slices.Clone(ids)})
	return ids, nil
}

// Write sets the same values in all those records.
func (l *UndoLog) Write(ctx context.Context, model string, ids []int64, values Record) error {
	if len(ids) == 0 || len(values) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.describe(ctx, model)
	if err != nil {
		return err
	}
	var names []string
	for name := range values {
		f, ok := info[name]
		switch {
		case !ok:
			return fmt.Errorf("write %s: %w: it has no field %s", model, ErrNotUndoable, name)
		case f.Type == "one2many" || f.Type == "one2one" || strings.HasPrefix(f.Type, "properties"):
			return fmt.Errorf("write %s.%s: %w: it is a field of type %s", model, name, ErrNotUndoable, f.Type)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	old, err := l.before(ctx, model, ids, names)
	if err != nil {
		return err
	}
	err = Write(ctx, l.caller, model, ids, values, l.options...)
	if err == nil || perhaps(err) {
		l.steps = append(l.steps, step{kind: written, model: model, ids: slices.Clone(ids), old: old, maybe: err != nil})
	}
	return err
}

// Unlink deletes records.
func (l *UndoLog) Unlink(ctx context.Context, model string, ids []int64) error {
	if len(ids) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	info, err := l.describe(ctx, model)
	if err != nil {
		return err
	}
	var names []string
	for name, f := range info {
		if f.restorable(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("unlink %s: %w: it has no field that can be written", model, ErrNotUndoable)
	}
	slices.Sort(names)
	old, err := l.before(ctx, model, ids, names)
	if err != nil {
		return err
	}
	err = Unlink(ctx, l.caller, model, ids, l.options...)
	if err == nil || perhaps(err) {
		l.steps = append(l.steps, step{kind: deleted, model: model, ids: slices.Clone(ids), old: old, maybe: err != nil})
	}
	return err
}

// perhaps tells of a failed call whether it may have had an effect.
func perhaps(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Sent && e.doubtful() // else the server says that it failed, and has rolled it back
}

// describe asks for the fields of a model, once.
func (l *UndoLog) describe(ctx context.Context, model string) (map[string]fieldInfo, error) {
	if info, ok := l.fields[model]; ok {
		return info, nil
	}
	args, kwargs := []any{}, map[string]any{"attributes": []string{"type", "relation", "readonly", "store"}}
	if l.protocol == Tryton {
		args, kwargs = []any{[]string{}}, nil
	}
	raw, err := l.caller.Call(ctx, model, "fields_get", args, kwargs, l.options...)
	if err != nil {
		return nil, err
	}
	var info map[string]fieldInfo
	if err := json.Unmarshal(raw, &info); err != nil {
		return nil, fmt.Errorf("describe %s: %w", model, err)
	}
	l.fields[model] = info
	return info, nil
}

// before reads what the records have, in the order of ids.
func (l *UndoLog) before(ctx context.Context, model string, ids []int64, fields []string) ([]Record, error) {
	byID := make(map[int64]Record, len(ids))
	opts := slices.Concat(l.options, []CallOption{NoCache(), InContext(map[string]any{"bin_size": false})})
	for chunk := range slices.Chunk(distinct(ids), prefetchChunk) {
		raw, err := readRaw(ctx, l.caller, l.protocol, model, chunk, slices.Concat([]string{"id"}, fields), opts)
		if err != nil {
			return nil, err
		}
		var list []map[string]json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, fmt.Errorf("read %s: %w", model, err)
		}
		for _, m := range list {
			r := make(Record, len(m))
			for name, value := range m {
				if r[name], err = DecodeValue(value); err != nil {
					return nil, fmt.Errorf("read %s.%s: %w", model, name, err)
				}
			}
			byID[r.ID()] = r
		}
	}
	old := make([]Record, len(ids))
	for i, id := range ids {
		r, ok := byID[id]
		if !ok {
			return nil, fmt.Errorf("read %s %d before it is changed: %w", model, id, ErrNoRecord)
		}
		old[i] = r
	}
	return old, nil
}

// Len is the number of changes that Undo would undo.
func (l *UndoLog) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.steps)
}

// Forget ends it: what was changed remains so.
func (l *UndoLog) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps, l.uncertain = nil, nil
}
