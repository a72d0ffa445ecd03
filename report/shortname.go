package report

import (
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/perfd/perfd/sqltrace"
)

// shortToken matches what a short name is made of: quoted names, words, parameters and operators.
var shortToken = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"]|"")*"|[A-Za-z_][\w$]*|<>|!=|<=|>=|\|\||->>|[^\s\w]`)
})

// common are columns that Odoo names in nearly every statement: they come last.
var common = []string{"active", "company_id", "partner_share", "write_date", "write_uid", "create_date", "create_uid"}

// shortName tells a statement by its verb, its table or function and the columns it looks by or sets:
// "SELECT res_partner count by comment, active". Empty where the text is of another kind. It is no parser:
// it never fails, whatever the text.
func shortName(text string) string {
	const most = 400 // tokens looked at
	t := shortToken().FindAllString(text, most)
	for i, w := range t {
		if strings.HasPrefix(w, `"`) {
			t[i] = strings.Trim(w, `"`)
		}
	}
	verb := slices.IndexFunc(t, isOneOf("SELECT", "INSERT", "UPDATE", "DELETE"))
	if verb < 0 {
		return ""
	}
	name := strings.ToUpper(t[verb])
	var words []string
	if table := shortTable(t); table != "" {
		words = append(words, table)
	} else if function := (sqltrace.Shape{Text: text}).Function(); function != "" && len(t) < most && !strings.HasSuffix(text, "…") { // the table may come later
		words = append(words, function)
	}
	columns := shortColumns(t, name)
	switch {
	case name == "SELECT" && verb+1 < len(t) && strings.EqualFold(t[verb+1], "count"):
		words = append(words, "count")
	case name == "INSERT":
		columns = nil
	}
	if len(columns) > 0 {
		by := "by "
		if name == "UPDATE" {
			by = "set "
		}
		words = append(words, by+strings.Join(columns, ", "))
	}
	return strings.Join(append([]string{name}, words...), " ")
}

func isOneOf(words ...string) func(string) bool {
	return func(s string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.EqualFold(w, s) })
	}
}

func isName(s string) bool {
	return s != "" && (s[0] == '_' || s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z')
}

// shortTable is the first table named.
func shortTable(t []string) string {
	for i := range t[:max(len(t)-1, 0)] {
		if isOneOf("FROM", "INTO", "UPDATE", "JOIN")(t[i]) && isName(t[i+1]) && !isOneOf("SELECT", "WHERE")(t[i+1]) {
			return t[i+1]
		}
	}
	return ""
}

// shortColumns are the columns that an UPDATE sets, or else those of the first condition.
func shortColumns(t []string, verb string) []string {
	begin, end := "WHERE", isOneOf("GROUP", "ORDER", "LIMIT", "FOR", "UNION")
	compares := isOneOf("=", "<>", "!=", "<", ">", "<=", ">=", "IN", "LIKE", "ILIKE", "IS", "NOT", "BETWEEN", ")", "->>", "||")
	if verb == "UPDATE" {
		begin, end, compares = "SET", isOneOf("FROM", "WHERE", "RETURNING"), isOneOf("=")
	}
	from := slices.IndexFunc(t, isOneOf(begin))
	if from < 0 {
		return nil
	}
	var columns, late []string
	for i := from + 1; i+1 < len(t) && !end(t[i]); i++ {
		if !isName(t[i]) || !compares(t[i+1]) || isOneOf("FROM", "JOIN", "AS", "NULL", "TRUE", "FALSE", "NOT", "IS", "IN")(t[i]) ||
			isOneOf("FROM", "JOIN", "AS")(t[i-1]) {
			continue
		}
		switch {
		case slices.Contains(columns, t[i]), slices.Contains(late, t[i]):
		case slices.Contains(common, t[i]):
			late = append(late, t[i])
		default:
			columns = append(columns, t[i])
		}
	}
	columns = append(columns, late...)
	return columns[:min(3, len(columns))]
}

// labels words statements in n columns each. Where two would be cut to the same words they get short names
// instead, and if these are the same too, what begins where they differ.
func labels(texts []string, n int) []string {
	list := make([]string, 0, len(texts))
	for _, text := range texts {
		list = append(list, Brief(text, n))
	}
	better := func(reword func(i int, twin string) string) {
		next := slices.Clone(list)
		for i := range list {
			for j := range list {
				if i != j && list[i] == list[j] && texts[i] != texts[j] {
					next[i] = reword(i, texts[j])
					break
				}
			}
		}
		list = next
	}
	better(func(i int, _ string) string {
		if name := shortName(texts[i]); name != "" {
			return cut(clean(name), n)
		}
		return list[i]
	})
	better(func(i int, twin string) string { return fromDifference(list[i], texts[i], twin, n) })
	return list
}

// fromDifference is a label's beginning and the text from a little before the place where it differs from twin.
func fromDifference(label, text, twin string, n int) string {
	a, b := []rune(strings.Join(strings.Fields(clean(text)), " ")), []rune(strings.Join(strings.Fields(clean(twin)), " "))
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	for at > 0 && at <= len(a) && (at == len(a) || a[at] != ' ') && a[at-1] != ' ' { // back to the word's beginning
		at--
	}
	head := []rune(label)
	head = head[:min(max(n-18, n/2), len(head))]
	return cut(strings.TrimRight(strings.TrimSuffix(string(head), "…"), " ")+" … "+string(a[at:]), n)
}
