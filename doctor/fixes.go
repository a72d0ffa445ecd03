package doctor

import (
	"strings"

	"github.com/perfd/perfd/config"
)

// withFlags adds to the first mention of each setting in a fix the flag that sets it, for those who start perfd by
// hand. Settings that are named by a common word are left to the context.
func withFlags(fix string) string {
	for _, f := range config.Flags() {
		if f.Key != "interfaces" && !strings.ContainsAny(f.Key, "._") {
			continue
		}
		if i := mention(fix, f.Key); i >= 0 {
			end := i + len(f.Key)
			fix = fix[:end] + " (--" + f.Name + ")" + fix[end:]
		}
	}
	return fix
}

// mention returns where a setting is named first, -1 if it is not, or its flag is named already.
func mention(fix, key string) int {
	for from := 0; ; {
		i := strings.Index(fix[from:], key)
		if i < 0 {
			return -1
		}
		i += from
		from = i + len(key)
		before, after := fix[:i], fix[from:]
		if strings.HasPrefix(after, " (--") {
			return -1
		}
		if !endsInWord(before) && !beginsWord(after) {
			return i
		}
	}
}

func endsInWord(s string) bool { return s != "" && wordByte(s[len(s)-1]) }

// beginsWord also takes the dot between two words of a key for a part of it, but not that at the end of a sentence.
func beginsWord(s string) bool {
	return s != "" && wordByte(s[0]) || len(s) > 1 && s[0] == '.' && wordByte(s[1])
}

func wordByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
