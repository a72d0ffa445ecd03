package rewrite

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/perfd/perfd/client"
)

// Field is what has to be known of a field: its type, and of which model the records are that it names.
type Field struct {
	Type     string `json:"type"`
	Relation string `json:"relation"`
}

// Schema is what the target says of its models, asked once for each. It is safe for concurrent use.
type Schema struct {
	tryton bool
	most   int

	mu     sync.Mutex
	models map[string]*description
	asked  int
}

type description struct {
	once   sync.Once
	fields map[string]Field
}

const maxModels = 10_000

// NewSchema makes an empty schema.
func NewSchema(tryton bool) *Schema {
	return &Schema{tryton: tryton, most: maxModels, models: map[string]*description{}}
}

// Fields are a model's fields by name, asked with c. A model that the target does not describe has none.
func (s *Schema) Fields(ctx context.Context, c client.Caller, model string) map[string]Field {
	s.mu.Lock()
	d := s.models[model]
	if d == nil {
		if len(s.models) >= s.most || c == nil {
			s.mu.Unlock()
			return nil
		}
		d = &description{}
		s.models[model] = d
		s.asked++
	}
	s.mu.Unlock()
	d.once.Do(func() { d.fields, _ = s.ask(ctx, c, model) }) // who may not see the fields has no ids in them
	return d.fields
}

// Asked is how many models were asked for.
func (s *Schema) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Schema) ask(ctx context.Context, c client.Caller, model string) (map[string]Field, error) {
	args, kwargs := []any{}, map[string]any{"attributes": []any{"type", "relation"}}
	if s.tryton {
		args, kwargs = []any{[]any{}}, nil
	}
	raw, err := c.Call(ctx, model, "fields_get", args, kwargs, client.NoCache())
	if err != nil {
		return nil, fmt.Errorf("ask for the fields of %s: %w", model, err)
	}
	var loose map[string]json.RawMessage
	if err := json.Unmarshal(raw, &loose); err != nil {
		return nil, fmt.Errorf("read the fields of %s: %w", model, err)
	}
	fields := make(map[string]Field, len(loose))
	for name, text := range loose {
		var f Field
		if json.Unmarshal(text, &f) == nil {
			fields[name] = f
		}
	}
	return fields, nil
}
