package rewrite

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/replay/load"
)

// maxStamps is the number of records whose times of writing are remembered.
const maxStamps = 200_000

// stampName is the field by which Tryton's clients say which state of a record they saw: a write that names another one
// is refused.
const stampName = "_timestamp"

// stamps are the times of writing that the target told, by its own ids.
type stamps struct {
	mu   sync.RWMutex
	told map[Key]string
}

// Stamped tells whether a call says which states of records it means.
func (r *Rewriter) Stamped(c *load.Call) bool {
	return r.Tryton && bytes.Contains(c.Args, []byte(`"`+stampName+`"`))
}

// Note remembers the times of writing in an answer.
func (r *Rewriter) Note(c *load.Call, result json.RawMessage) {
	if !r.Tryton || c.Model == "" || !bytes.Contains(result, []byte(`"`+stampName+`"`)) {
		return
	}
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return
	}
	r.stamps.mu.Lock()
	defer r.stamps.mu.Unlock()
	if r.stamps.told == nil {
		r.stamps.told = map[Key]string{}
	}
	for i := range v.Items {
		row := &v.Items[i]
		k := Key{c.Model, idOf(row.Member("id"))}
		if _, known := r.stamps.told[k]; k.ID > 0 && row.Member(stampName).Kind == jsontree.String && (known || len(r.stamps.told) < maxStamps) {
			r.stamps.told[k] = row.Member(stampName).Text
		}
	}
}

// stamp puts the time that the target told of a record, "model,id", in the place of the recorded one.
func (r *Rewriter) stamp(ref string, v *jsontree.Value) bool {
	model, text, _ := strings.Cut(ref, ",")
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || v.Kind != jsontree.String {
		return false
	}
	r.stamps.mu.RLock()
	told, ok := r.stamps.told[Key{model, id}]
	r.stamps.mu.RUnlock()
	if !ok || told == v.Text {
		return false
	}
	v.Text = told
	return true
}
