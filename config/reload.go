package config

import "slices"

// Reload reads all sources again. What a running perfd can change is in next; settings of restart differ but
// keep old's values in next until perfd is started anew. With problems, next is old: a running perfd is never
// brought down by a typing error.
func Reload(old *Config, in Input) (next *Config, changed, restart []string, problems Problems) {
	c, problems := Load(in)
	if problems.Err() != nil {
		return old, nil, nil, problems
	}
	for _, s := range settings {
		if same(s, old, c) {
			continue
		}
		if !s.restart {
			changed = append(changed, s.key)
			continue
		}
		restart = append(restart, s.key)
		keep(s, old, c)
		c.configured[s.key] = old.From(s.key)
	}
	return c, changed, restart, problems
}

// same reports whether a setting has one value in both.
func same(s setting, a, b *Config) bool {
	x, y := s.at(a), s.at(b)
	if kindOf(s).list {
		return slices.Equal(items(x), items(y))
	}
	return format(x) == format(y)
}

// keep copies a setting's value from one Config to another.
func keep(s setting, from, to *Config) {
	switch p := s.at(to).(type) {
	case *string:
		*p = *s.at(from).(*string)
	case *Mode:
		*p = *s.at(from).(*Mode)
	case *[]string:
		*p = *s.at(from).(*[]string)
	case *Patterns:
		*p = *s.at(from).(*Patterns)
	case *[]uint16:
		*p = *s.at(from).(*[]uint16)
	case *map[string]string:
		*p = *s.at(from).(*map[string]string)
	case *bool:
		*p = *s.at(from).(*bool)
	case *int:
		*p = *s.at(from).(*int)
	case *Size:
		*p = *s.at(from).(*Size)
	case *Share:
		*p = *s.at(from).(*Share)
	}
}
