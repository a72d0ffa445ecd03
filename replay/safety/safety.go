// Package safety says which captured calls may be sent again. It judges by names alone, from lists of what is known to
// be harmless: what it does not know is a write, and what reaches people or money outside the database is dangerous.
package safety

import (
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/perfd/perfd/replay/load"
)

// Tier is how much harm a call can do.
type Tier uint8

// The tiers, in order of harm.
const (
	// Read changes nothing.
	Read Tier = iota
	// Effective reads in effect: what it computes or counts is not for keeping.
	Effective
	// Write changes records, or may for all that is known.
	Write
	// Dangerous reaches beyond the records: mail, payments, postings, jobs, modules, and deletion.
	Dangerous
	// Excluded is never sent: buses, sessions, files of the web client, databases as a whole.
	Excluded
)

var tierNames = [...]string{"read", "effective read", "write", "dangerous", "excluded"}

func (t Tier) String() string {
	if int(t) < len(tierNames) {
		return tierNames[t]
	}
	return fmt.Sprintf("Tier(%d)", t)
}

// Policy is what may be sent. The zero value lets reads pass, plain and effective ones.
type Policy struct {
	// Writes lets writes pass. Defaults to not.
	Writes bool
	// Dangerous are what of that tier passes: methods as "model.method" or "method", routes by their path. They are written
	// out: a pattern would name what nobody thought of. They need Writes too. Defaults to none.
	Dangerous []string
}

// Validate refuses patterns and empty names.
func (p Policy) Validate() error {
	for _, name := range p.Dangerous {
		if name == "" || strings.ContainsAny(name, "*?[ ") {
			return fmt.Errorf("dangerous method %q: each has to be named in full, as sale.order.action_confirm", name)
		}
	}
	if len(p.Dangerous) > 0 && !p.Writes {
		return fmt.Errorf("dangerous method %q: writes have to be allowed too", p.Dangerous[0])
	}
	return nil
}

// Allows tells whether a call of that tier may be sent.
func (p Policy) Allows(t Tier, c *load.Call) bool {
	switch t {
	case Read, Effective:
		return true
	case Write:
		return p.Writes
	case Dangerous:
		if !p.Writes {
			return false
		}
		route := c.IsRoute()
		for _, name := range p.Dangerous {
			if route && name == c.Path || !route && (name == c.Method || name == c.Model+"."+c.Method) {
				return true
			}
		}
	case Excluded:
	}
	return false
}

// Of is a call's tier. Product is "odoo" or "tryton"; empty means that of the call's transport.
func Of(product string, c *load.Call) Tier {
	switch c.Transport {
	case "tryton":
		if product == "odoo" {
			return Excluded
		}
		return tryton(c)
	case "jsonrpc", "xmlrpc", "json2", "http":
		if product == "tryton" {
			return Excluded
		}
		return odoo(c)
	}
	return Excluded // nobody knows how it would go out
}

// named tells whether names of a model and a method mean what they say where they stand in a path or between dots: both
// are letters, digits, _ and -, and a model has dots between such parts.
func named(model, method string) bool {
	for part := range strings.SplitSeq(model, ".") {
		if !isWord(part) {
			return false
		}
	}
	return isWord(method)
}

func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// words of a method's name that make a call dangerous, whatever else stands in it.
var dangerWords = map[string]bool{
	"send": true, "mail": true, "email": true, "sms": true, "invite": true, "notify": true, "post": true, "pay": true,
	"payment": true, "payments": true, "refund": true, "capture": true, "charge": true, "cron": true, "scheduler": true,
	"install": true, "uninstall": true, "upgrade": true, "unlink": true, "delete": true, "purge": true, "wipe": true,
	"trigger": true, "execute": true, "publish": true, "broadcast": true, "reset": true, "password": true, "print": true,
	"erase": true, "export": true, "launch": true, "schedule": true, "process": true, "signup": true, "remind": true, "reminder": true,
	"forward": true, "invitation": true, "drop": true, "destroy": true,
}

// dangerParts make a call dangerous as parts of a word, too: sendmail, resend, do_payout.
var dangerParts = []string{"send", "mail", "unlink", "payment", "payout"}

// dangerModels are those whose methods, other than reads, are dangerous: what they change goes on by itself.
var dangerModels = []string{
	"ir.cron*", "ir.actions.server*", "ir.module*", "ir.mail_server*", "fetchmail*", "base.module*", "base.language*", "mail.mail*",
	"mail.compose.message", "mail.message", "mail.thread*", "mailing.*", "marketing.*", "social.*", "sign.*", "account.edi*", "sms.*", "snailmail.*", "payment.*", "account.payment*", "res.config*", "res.users.apikeys*",
	"change.password*", "base.automation*", "ir.config_parameter", "iap.*", "whatsapp.*", "delivery.*", "stripe.*",
	"ir.email*", "ir.queue", "queue.*", "ir.trigger*", "ir.configuration", "notification.*",
}

// dangerous tells whether names say that a call reaches beyond the database's records.
func dangerous(model, method string) bool {
	for word := range words(method) {
		if dangerWords[word] || slices.ContainsFunc(dangerParts, func(part string) bool { return strings.Contains(word, part) }) {
			return true
		}
	}
	for _, pattern := range dangerModels {
		if ok, _ := path.Match(pattern, model); ok {
			return true
		}
	}
	return false
}

// words are those of a name or a path, in small letters: they begin after what is no letter, and at capitals.
func words(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		begin := 0
		for i, r := range name {
			switch {
			case !unicode.IsLetter(r) && !unicode.IsDigit(r):
				if i > begin && !yield(strings.ToLower(name[begin:i])) {
					return
				}
				begin = i + utf8.RuneLen(r)
			case i > begin && unicode.IsUpper(r) && !allUpper(name[begin:i]):
				if !yield(strings.ToLower(name[begin:i])) {
					return
				}
				begin = i
			}
		}
		if begin < len(name) {
			yield(strings.ToLower(name[begin:]))
		}
	}
}

func allUpper(s string) bool { return strings.ToUpper(s) == s }

// change is the tier of what is not known to read.
func change(model, method string) Tier {
	if dangerous(model, method) {
		return Dangerous
	}
	return Write
}
