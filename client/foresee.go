package client

import "slices"

// Foresee tells what the cache of a client without options does with a call: whether it keeps the answer, and of which
// models it forgets all answers, slices.Contains(models, "*") meaning of all. It is for those who ask what a cache would
// have done.
func Foresee(p Protocol, model, method string, args []any, kwargs map[string]any) (keeps bool, forgets []string) {
	switch effectOf(p, model, method) {
	case readable:
		c := Client{neverFields: DefaultNeverFields}
		keeps = !slices.Contains(DefaultNeverModels, model) && !c.names(&request{method: method, args: args, kwargs: kwargs})
		return keeps, nil
	case reads:
		return false, nil
	case changes:
		if rules[model] || commands(args, 0) || commandsIn(kwargs) {
			return false, []string{"*"}
		}
		return false, plainRelations.affected(model)
	case unknown:
	}
	return false, []string{"*"}
}

// plainRelations are those without Config.Related.
var plainRelations = newRelations(nil)
