package rpclog

import (
	"net/url"
	"strings"

	"github.com/perfd/perfd/jsontree"
)

// Where Odoo says which database it is: among its parameters, of which nothing else is kept, and, as the client's id, in the
// address at which its users manage their account.
const (
	parameterModel = "ir.config_parameter"
	parameterName  = "database.uuid"
	accountRoute   = "/web/session/account"
)

// tellsUUID says whether a call's answer may tell the database's uuid.
func tellsUUID(c *Call) bool { return c.Model == parameterModel || c.Path == accountRoute }

// databaseUUID is the database's uuid, if an answer tells it. The rest of the answer is looked at and let go.
func databaseUUID(c *Call, asked, told []byte) string {
	v := resultOf(c, told)
	switch {
	case v == nil:
		return ""
	case c.Path == accountRoute:
		return uuidOf(clientID(v.Text))
	case c.Method == "get_param":
		var o Content
		o.request(c, asked)
		if names := string(o.Args) + string(o.Kwargs); strings.Contains(names, `"`+parameterName+`"`) {
			return uuidOf(v.Text)
		}
		return ""
	}
	rows := v
	if records := v.Member("records"); records.Kind == jsontree.Array {
		rows = records
	}
	for i := range rows.Items {
		if row := &rows.Items[i]; row.Member("key").Text == parameterName {
			return uuidOf(row.Member("value").Text)
		}
	}
	return ""
}

func clientID(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Query().Get("client_id")
}

// uuidOf is text if it has the form of RFC 9562, else nothing.
func uuidOf(text string) string {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return ""
	}
	for i := range len(text) {
		if dash := form[i] == '-'; dash != (text[i] == '-') || !dash && strings.IndexByte("0123456789abcdefABCDEF", text[i]) < 0 {
			return ""
		}
	}
	return strings.ToLower(text)
}
