package client

import (
	"fmt"
	"strings"
)

// Op is an operator of a condition, in Odoo's spelling.
type Op string

// The operators. Like and ILike look for the value anywhere in the field, MatchLike and MatchILike take it as the
// pattern of the whole; "%" and "_" in it are wildcards for all four. What a server lacks is an error before the call.
const (
	OpEq         Op = "="
	OpNe         Op = "!="
	OpLt         Op = "<"
	OpLe         Op = "<="
	OpGt         Op = ">"
	OpGe         Op = ">="
	OpIn         Op = "in"
	OpNotIn      Op = "not in"
	OpLike       Op = "like"
	OpNotLike    Op = "not like"
	OpILike      Op = "ilike"
	OpNotILike   Op = "not ilike"
	OpMatchLike  Op = "=like"
	OpMatchILike Op = "=ilike"
	OpChildOf    Op = "child_of"
	OpParentOf   Op = "parent_of"
	OpAny        Op = "any"     // of the related records: the value is an Expr. Odoo from 17 on, Tryton's "where"
	OpNotAny     Op = "not any" // no related record
	OpEqIfSet    Op = "=?"      // Odoo: "=", or true if the value is false

	// Of Tryton's domains; for Odoo they are written with "!".
	opNotMatch    Op = "not =like"
	opNotIMatch   Op = "not =ilike"
	opNotChildOf  Op = "not child_of"
	opNotParentOf Op = "not parent_of"
)

// operator is what the dialects say for an Op.
type operator struct {
	tryton  string // empty: Tryton has none
	inverse Op     // on which Tryton, which has no "!", builds the complement; empty: it cannot
	wrap    bool   // Tryton wants the wildcards around the value written down
	sub     bool   // the value is a domain
	odoo    Op     // Odoo says it as "!" and this one
}

var ops = map[Op]operator{
	OpEq:          {tryton: "=", inverse: OpNe},
	OpNe:          {tryton: "!=", inverse: OpEq},
	OpLt:          {tryton: "<", inverse: OpGe},
	OpLe:          {tryton: "<=", inverse: OpGt},
	OpGt:          {tryton: ">", inverse: OpLe},
	OpGe:          {tryton: ">=", inverse: OpLt},
	OpIn:          {tryton: "in", inverse: OpNotIn},
	OpNotIn:       {tryton: "not in", inverse: OpIn},
	OpLike:        {tryton: "like", inverse: OpNotLike, wrap: true},
	OpNotLike:     {tryton: "not like", inverse: OpLike, wrap: true},
	OpILike:       {tryton: "ilike", inverse: OpNotILike, wrap: true},
	OpNotILike:    {tryton: "not ilike", inverse: OpILike, wrap: true},
	OpMatchLike:   {tryton: "like", inverse: opNotMatch},
	OpMatchILike:  {tryton: "ilike", inverse: opNotIMatch},
	opNotMatch:    {tryton: "not like", inverse: OpMatchLike, odoo: OpMatchLike},
	opNotIMatch:   {tryton: "not ilike", inverse: OpMatchILike, odoo: OpMatchILike},
	OpChildOf:     {tryton: "child_of", inverse: opNotChildOf},
	OpParentOf:    {tryton: "parent_of", inverse: opNotParentOf},
	opNotChildOf:  {tryton: "not child_of", inverse: OpChildOf, odoo: OpChildOf},
	opNotParentOf: {tryton: "not parent_of", inverse: OpParentOf, odoo: OpParentOf},
	OpAny:         {tryton: "where", inverse: OpNotAny, sub: true},
	OpNotAny:      {tryton: "not where", sub: true},
	OpEqIfSet:     {},
}

// Field is a field's name, or the path to a field of a related record ("partner_id.country_id").
type Field string

// F is the field of that name.
func F(name string) Field { return Field(name) }

// Is is the condition that the field stands in that relation to the value.
func (f Field) Is(op Op, value any) Expr {
	return Expr{kind: leaf, field: string(f), op: op, value: value}
}

// Eq holds where the field has the value; of nil, where it has none.
func (f Field) Eq(value any) Expr { return f.Is(OpEq, value) }

// Ne holds where the field has not the value; of nil, where it has one.
func (f Field) Ne(value any) Expr { return f.Is(OpNe, value) }

// Lt holds where the field is less.
func (f Field) Lt(value any) Expr { return f.Is(OpLt, value) }

// Le holds where the field is less or equal.
func (f Field) Le(value any) Expr { return f.Is(OpLe, value) }

// Gt holds where the field is greater.
func (f Field) Gt(value any) Expr { return f.Is(OpGt, value) }

// Ge holds where the field is greater or equal.
func (f Field) Ge(value any) Expr { return f.Is(OpGe, value) }

// In holds where the field has one of the values; of none, nowhere.
func (f Field) In(values ...any) Expr {
	if len(values) == 0 {
		return False
	}
	return f.Is(OpIn, values)
}

// NotIn holds where the field has none of the values; of none, everywhere.
func (f Field) NotIn(values ...any) Expr {
	if len(values) == 0 {
		return True
	}
	return f.Is(OpNotIn, values)
}

// InIDs is In of record ids.
func (f Field) InIDs(ids []int64) Expr {
	if len(ids) == 0 {
		return False
	}
	return f.Is(OpIn, ids)
}

// Like holds where the field contains the text, in that case; ILike in any case.
func (f Field) Like(text string) Expr  { return f.Is(OpLike, text) }
func (f Field) ILike(text string) Expr { return f.Is(OpILike, text) }

// MatchLike holds where the whole field matches the pattern, in that case; MatchILike in any case.
func (f Field) MatchLike(pattern string) Expr  { return f.Is(OpMatchLike, pattern) }
func (f Field) MatchILike(pattern string) Expr { return f.Is(OpMatchILike, pattern) }

// ChildOf holds for those records and for all below them; ParentOf for them and all above.
func (f Field) ChildOf(ids ...int64) Expr  { return f.Is(OpChildOf, ids) }
func (f Field) ParentOf(ids ...int64) Expr { return f.Is(OpParentOf, ids) }

// Any holds where a related record meets e.
func (f Field) Any(e Expr) Expr { return f.Is(OpAny, e) }

// IsNull holds where the field has no value; IsNull(false) where it has one.
func (f Field) IsNull(null bool) Expr {
	if null {
		return f.Eq(nil)
	}
	return f.Ne(nil)
}

// lookups are the names that [Lookup] knows beside the operators themselves.
var lookups = map[string]Op{
	"exact": OpEq, "ne": OpNe, "lt": OpLt, "lte": OpLe, "le": OpLe, "gt": OpGt, "gte": OpGe, "ge": OpGe, "in": OpIn, "not_in": OpNotIn,
	"like": OpLike, "ilike": OpILike, "contains": OpLike, "icontains": OpILike, "child_of": OpChildOf, "parent_of": OpParentOf,
	"=like": OpMatchLike, "=ilike": OpMatchILike,
}

// Lookup is the condition that a key names as Django and its kin write it: "name__ilike", "partner_id__name" and
// "write_date__isnull". The last part is the operator if it is the name of one, and two underscores in front of it
// are a step to a related record.
func Lookup(key string, value any) (Expr, error) {
	path := strings.Split(key, "__")
	op, last := OpEq, path[len(path)-1]
	null := false
	if len(path) > 1 {
		if o, ok := lookups[last]; ok {
			op, path = o, path[:len(path)-1]
		} else if last == "isnull" {
			null, path = true, path[:len(path)-1]
		}
	}
	for _, p := range path {
		if p == "" {
			return Expr{}, fmt.Errorf("read a lookup: %w: %q names no field", ErrDomain, key)
		}
	}
	f := F(strings.Join(path, "."))
	if null {
		b, ok := value.(bool)
		if !ok {
			return Expr{}, fmt.Errorf("read a lookup: %w: %q wants true or false", ErrDomain, key)
		}
		return f.IsNull(b), nil
	}
	return f.Is(op, value), nil
}
