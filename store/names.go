package store

import (
	"strconv"
	"strings"
)

// UserName is how a user is shown: the login, else "uid N", else nothing.
func UserName(login string, uid int64) string {
	switch {
	case login != "":
		return login
	case uid != 0:
		return "uid " + strconv.FormatInt(uid, 10)
	}
	return ""
}

// userID reads a uid out of a filter value: "9" or "uid 9".
func userID(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "uid "), 10, 64)
	return n, err == nil && n != 0
}
