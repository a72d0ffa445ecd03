package figures

import (
	"slices"
	"strings"
	"unicode"
)

// Distinct makes labels of n columns tell texts apart: where two different texts have the same label, theirs end with
// what begins where they differ.
func Distinct(labels, texts []string, n int) []string {
	first := map[string]int{} // by label
	out := slices.Clone(labels)
	for i, label := range labels {
		k, ok := first[label]
		switch {
		case !ok:
			first[label] = i
		case texts[k] != texts[i]:
			out[i] = fromDifference(label, texts[i], texts[k], n)
			if out[k] == label {
				out[k] = fromDifference(label, texts[k], texts[i], n)
			}
		}
	}
	for i, label := range labels { // equal texts have equal labels
		if k := first[label]; texts[k] == texts[i] {
			out[i] = out[k]
		}
	}
	return out
}

// fromDifference is a label's beginning and the text from a little before the place where it differs from twin.
func fromDifference(label, text, twin string, n int) string {
	a, b := []rune(strings.Join(strings.Fields(Clean(text)), " ")), []rune(strings.Join(strings.Fields(Clean(twin)), " "))
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
	begin := strings.TrimRight(string(head), " ,")
	for _, hanging := range []string{" by", " set"} { // words whose columns did not fit
		begin = strings.TrimSuffix(begin, hanging)
	}
	return Cut(begin+" … "+tail, n)
}
