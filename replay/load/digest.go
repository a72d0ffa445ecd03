package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/perfd/perfd/jsontree"
	"github.com/perfd/perfd/secrets"
)

// Digest is a hash of an answer's result by which two answers are known to be the same, whatever the order of their
// members: write and creation times, tokens, checksums and what else differs between two answers of the same data does not
// count (see Volatile). The pepper is the header's; empty for a result that is no JSON or too large.
func Digest(pepper string, result json.RawMessage) string {
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return ""
	}
	return digest(pepper, &v)
}

func digest(pepper string, v *jsontree.Value) string {
	var s secrets.Stripper // which are not in what was recorded
	s.Strip(v, "")
	settle(v)
	v.Sort()
	mac := hmac.New(sha256.New, []byte(pepper))
	mac.Write(v.Append(nil))
	return hex.EncodeToString(mac.Sum(nil)[:12])
}

// settle takes out what is volatile.
func settle(v *jsontree.Value) {
	if v.Kind == jsontree.Object {
		names, items := v.Names[:0], v.Items[:0]
		for i, name := range v.Names {
			if !Volatile(name) {
				names, items = append(names, name), append(items, v.Items[i])
			}
		}
		v.Names, v.Items = names, items
	}
	if v.Kind == jsontree.String && (v.Text == hidden || strings.Contains(v.Text, "unique=")) {
		*v = jsontree.Value{}
	}
	for i := range v.Items {
		settle(&v.Items[i])
	}
}

// Volatile says whether a member of an answer differs between two answers of the same data.
func Volatile(name string) bool {
	switch name {
	case "write_date", "create_date", "__last_update", "_timestamp", "cache_hashes", "registry_hash", "unique", "session_id":
		return true
	}
	return name == "barcode" || strings.Contains(name, "checksum") || secrets.Name(name) // barcode is a badge's, beside an employee
}

// hidden stands where rpclog took a secret out.
const hidden = secrets.Hidden

// Mints tells the records that a call made by its answer's result, in its order: of create, copy, name_create, import and
// web_save without ids, the message of message_post, and the record that an action opens. The session of a Tryton wizard
// counts as a record of the model "wizard." with the wizard's name.
func Mints(c *Call, result json.RawMessage) []Minted {
	if len(result) == 0 || c.Error != "" || !mayMint(c, result) {
		return nil
	}
	v, err := jsontree.Parse(result, jsontree.Config{})
	if err != nil {
		return nil
	}
	ids, model := minted(c, &v)
	if len(ids) == 0 || model == "" || !isName(model) || len(ids) > maxMinted/2 {
		return nil
	}
	return []Minted{{Model: model, IDs: ids}}
}

// mayMint spares most answers the look.
func mayMint(c *Call, result []byte) bool {
	switch c.Method {
	case "create", "copy", "name_create", "web_save", "load", "message_post":
		return true
	case "read", "search", "search_read", "web_search_read", "web_read", "read_group", "web_read_group", "get_views", "fields_get":
		return false
	}
	return c.Transport != "tryton" && len(result) < 1<<20 && strings.Contains(string(result), `"res_id"`)
}

func minted(c *Call, v *jsontree.Value) (ids []int64, model string) {
	model = c.Model
	if c.Transport == "tryton" {
		switch {
		case c.Method == "create" && c.Service == "wizard":
			return idsOf(v.Item(0)), "wizard." + model
		case c.Service == "model" && (c.Method == "create" || c.Method == "copy"):
			return idsOf(v), model
		}
		return nil, ""
	}
	switch c.Method {
	case "create", "copy":
		return idsOf(v), model
	case "name_create":
		return idsOf(v.Item(0)), model
	case "load":
		return idsOf(v.Member("ids")), model
	case "message_post":
		return idsOf(v), "mail.message"
	case "web_save":
		if named(c) {
			return nil, ""
		}
		for i := range v.Items {
			ids = append(ids, idsOf(v.Items[i].Member("id"))...)
		}
		return ids, model
	}
	if strings.HasPrefix(v.Member("type").Text, "ir.actions.") {
		return idsOf(v.Member("res_id")), v.Member("res_model").Text
	}
	return nil, ""
}

// Creates tells whether a call makes the records that its answer names, as create does. An action that opens a record may
// have made it or not.
func Creates(c *Call) bool {
	switch c.Method {
	case "create", "copy", "name_create", "load", "message_post", "web_save":
		return true
	}
	return c.Transport == "tryton"
}

// Fresh is what a call made, without what it names itself: an action may open the record that it was called for.
func Fresh(c *Call) []Minted {
	if len(c.Minted) == 0 || Creates(c) {
		return c.Minted
	}
	own := map[string]bool{}
	for _, text := range [][]byte{c.Args, c.Kwargs, c.Params} {
		v, err := jsontree.Parse(text, jsontree.Config{})
		if err == nil {
			numbers(&v, own)
		}
	}
	var out []Minted
	for _, m := range c.Minted {
		ids := slices.DeleteFunc(slices.Clone(m.IDs), func(id int64) bool { return own[strconv.FormatInt(id, 10)] })
		if len(ids) > 0 {
			out = append(out, Minted{Model: m.Model, IDs: ids})
		}
	}
	return out
}

// numbers notes all numbers of a value.
func numbers(v *jsontree.Value, into map[string]bool) {
	if v.Kind == jsontree.Number {
		into[v.Text] = true
	}
	for i := range v.Items {
		numbers(&v.Items[i], into)
	}
}

// named says whether a web_save names the records that it writes to.
func named(c *Call) bool {
	args, _ := jsontree.Parse(c.Args, jsontree.Config{}) // null if there are none
	if ids := args.Item(0); ids.Kind == jsontree.Array {
		return len(ids.Items) > 0
	}
	kwargs, _ := jsontree.Parse(c.Kwargs, jsontree.Config{})
	return len(kwargs.Member("ids").Items) > 0
}

// idsOf reads an id or a list of them; nothing if there is anything else among them.
func idsOf(v *jsontree.Value) []int64 {
	all := v.Items
	if v.Kind == jsontree.Number {
		all = []jsontree.Value{*v}
	}
	ids := make([]int64, 0, len(all))
	for i := range all {
		id, err := strconv.ParseInt(all[i].Text, 10, 64)
		if all[i].Kind != jsontree.Number || err != nil || id <= 0 {
			return nil
		}
		ids = append(ids, id)
	}
	return slices.Clip(ids)
}
