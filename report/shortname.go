package report

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/sqltrace"
)

// shortToken matches what a short name is made of: quoted names, words, parameters and operators.
var shortToken = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`"(?:[^"]|"")*"|[A-Za-z_][\w$]*|<>|!=|<=|>=|\|\||->>|[^\s\w]`)
})

// maxColumns bounds the columns of a short name.
const maxColumns = 6

// common are columns that Odoo names in nearly every statement: they come last.
var common = []string{"active", "company_id", "partner_share", "write_date", "write_uid", "create_date", "create_uid"}

// shortName tells a statement by its verb, its table or function and the columns it looks by or sets:
// "SELECT res_partner count by comment, active", with as many of them as fit n columns, one at least. Empty where
// the text is of another kind. It is no parser: it never fails, whatever the text.
func shortName(text string, n int) string {
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
	if len(words) == 0 {
		return ""
	}
	short := strings.Join(append([]string{name}, words...), " ")
	by := " by "
	if name == "UPDATE" {
		by = " set "
	}
	for i, column := range columns {
		if i > 0 && len([]rune(short+by+column)) > n {
			break
		}
		short += by + column
		by = ", "
	}
	return short
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
		switch {
		case !isOneOf("FROM", "INTO", "UPDATE", "JOIN")(t[i]) || !isName(t[i+1]) || isOneOf("SELECT", "WHERE")(t[i+1]):
		case i >= 3 && t[i-2] == "(" && isOneOf("EXTRACT", "SUBSTRING", "TRIM")(t[i-3]): // FROM separates arguments
		default:
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
	return columns[:min(maxColumns, len(columns))]
}

// labels words statements in n columns each: the text if it fits, or else its short name. Where two different ones
// would be the same they end with what begins where they differ.
func labels(texts []string, n int) []string {
	list := make([]string, 0, len(texts))
	first := map[string]int{} // by label
	for i, text := range texts {
		label := Brief(text, n)
		if strings.HasSuffix(label, "…") {
			if name := shortName(text, n); name != "" {
				label = figures.Cut(figures.Clean(name), n)
			}
		}
		list = append(list, label)
		if _, ok := first[label]; !ok {
			first[label] = i
		}
	}
	out := slices.Clone(list)
	for i, label := range list {
		if k := first[label]; texts[k] != texts[i] {
			out[i] = fromDifference(label, texts[i], texts[k], n)
			if out[k] == label {
				out[k] = fromDifference(label, texts[k], texts[i], n)
			}
		}
	}
	return out
}

// fromDifference is a label's beginning and the text from a little before the place where it differs from twin.
func fromDifference(label, text, twin string, n int) string {
	a, b := []rune(strings.Join(strings.Fields(figures.Clean(text)), " ")), []rune(strings.Join(strings.Fields(figures.Clean(twin)), " "))
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	word := func() { // back to the beginning of a word
		for at > 0 && at <= len(a) && (at == len(a) || a[at] != ' ') && a[at-1] != ' ' {
			at--
		}
	}
	for word(); at > 0 && !slices.ContainsFunc(a[at:], unicode.IsLetter); word() {
		at--
	}
	tail := strings.TrimSpace(string(a[at:]))
	head := []rune(strings.TrimSuffix(label, "…"))
	if most := max(n-18, n-3-len([]rune(tail))); len(head) > most {
		head = head[:most]
		for k := len(head) - 1; k > most/2; k-- { // no half words
			if head[k] == ' ' || head[k] == ',' {
				head = head[:k]
				break
			}
		}
	}
	return figures.Cut(strings.TrimRight(string(head), " ,")+" … "+tail, n)
}
