package safety

import (
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/perfd/perfd/replay/load"
)

// odooReads are methods of every model that read.
var odooReads = map[string]Tier{
	"search": Read, "search_read": Read, "search_fetch": Read, "search_count": Read, "read": Read, "read_group": Read, "name_search": Read,
	"get_views": Read, "web_read": Read, "web_search_read": Read, "web_read_group": Read, "formatted_read_group": Read,
	"read_progress_bar": Read, "exists": Read, "web_name_search": Read,

	"fields_get": Effective, "default_get": Effective, "onchange": Effective, "name_get": Effective, "load_views": Effective,
	"fields_view_get": Effective, "get_formview_id": Effective, "get_formview_action": Effective, "check_access_rights": Effective,
	"check_access_rule": Effective, "has_access": Effective, "has_group": Effective, "context_get": Effective, "load_menus": Effective,
	"search_panel_select_range": Effective, "search_panel_select_multi_range": Effective, "get_filters": Effective,
	"export_data": Effective, "get_metadata": Effective, "get_external_id": Effective, "get_unusual_days": Effective,
	"get_field_translations": Effective, "fields_get_keys": Effective, "get_authorized_fields": Effective,
	"systray_get_activities": Effective, "get_activity_data": Effective, "display_name_for": Effective, "get_available_models": Effective,
}

// odooRoutes are the tiers of routes without a model's method, by the longest prefix that ends at a slash.
var odooRoutes = map[string]Tier{
	"/longpolling": Excluded, "/websocket": Excluded, "/bus": Excluded, "/web/session": Excluded, "/web/login": Excluded, "/web/logout": Excluded,
	"/web/database": Excluded, "/web/assets": Excluded, "/web/bundle": Excluded, "/web/static": Excluded, "/web/health": Excluded,
	"/web/signup": Excluded, "/web/reset_password": Excluded, "/web/become": Excluded, "/web/totp": Excluded, "/favicon.ico": Excluded,
	"/robots.txt": Excluded, "/web/service-worker.js": Excluded, "/mail/im_status": Excluded, "/discuss/channel/ping": Excluded,
	"/web/manifest.webmanifest": Excluded, "/web/set_profiling": Excluded, "/auth_oauth": Excluded, "/web/session/get_session_info": Effective,

	"/web/dataset/search_read": Read, "/web/image": Read, "/web/content": Read, "/report/html": Read, "/report/text": Read,
	"/report/pdf": Write, // it may keep the file as the record's attachment

	"/web/export/formats": Read, "/web/export/get_fields": Read, "/web/export/namelist": Read, "/web/export/csv": Read, "/web/export/xlsx": Read,
	"/web/pivot/export_xlsx": Read, "/json/1": Read,

	"/web/action/load": Effective, "/web/dataset/load": Effective, "/web/webclient": Effective, "/web/view": Write, "/web/action/run": Dangerous,
	"/web/dataset/resequence": Write, "/mail/message/post": Dangerous, "/mail/message": Write, "/mail/action": Write, "/mail/data": Effective,
	"/mail/thread/data": Effective, "/mail/thread/messages": Write, "/mail/init_messaging": Effective, "/mail/load_message_failures": Effective,
	"/mail/inbox/messages": Effective, "/payment": Dangerous, "/web/binary/upload": Write, "/website/form": Dangerous, "/mass_mailing": Dangerous, "/my/security": Dangerous,
}

// odoo is the tier of a call. A form is a write, whatever its route is known for: what it does stands in its fields.
func odoo(c *load.Call) Tier {
	t := odooCall(c)
	if c.Transport == "http" && c.Verb != http.MethodGet && c.Verb != http.MethodHead && t < Write {
		return Write
	}
	return t
}

func odooCall(c *load.Call) Tier {
	switch {
	case c.Service == "db" || strings.HasSuffix(c.Path, "/db") && strings.HasPrefix(c.Path, "/xmlrpc"):
		return Excluded
	case c.Service == "common" && (c.Transport == "xmlrpc" || c.Transport == "jsonrpc" && c.Path == "/jsonrpc"):
		if c.Method == "version" || c.Method == "about" {
			return Effective
		}
		return Excluded // log-ins: every session makes its own
	case c.Service != "object" && (c.Transport == "xmlrpc" || c.Path == "/jsonrpc"):
		return Excluded // of a service that runs no methods of models
	case !c.IsRoute() && c.Model != "" && c.Method != "":
		return odooMethod(c)
	case c.Transport == "xmlrpc", c.Transport == "json2", !plain(c.Path):
		return Excluded // a method's, and no method is known; or a path that may mean another
	}
	t, known := routeTier(c.Path)
	// A website's path may begin with a language, whose code may be any text, and a proxy's with a prefix of its own.
	for rest := c.Path; !known && rest != ""; {
		i := strings.IndexByte(rest[1:], '/')
		if i < 0 {
			break
		}
		rest = rest[1+i:]
		if u, is := routeTier(rest); is {
			t, known = max(u, Write), true
		}
	}
	switch {
	case known:
		return t
	case (c.Path == "/web" || c.Path == "/odoo" || strings.HasPrefix(c.Path, "/odoo/") || c.Path == "/") && c.Transport == "http" && (c.Verb == "GET" || c.Verb == "HEAD"):
		return Effective
	case c.Path == "" && c.Method == "":
		return Excluded // nothing is known of it
	}
	return change("", c.Path)
}

// routeTier is what is known of a route, or of what it is below.
func routeTier(p string) (t Tier, known bool) {
	switch {
	case below(p, "/jsonrpc"), below(p, "/xmlrpc"), below(p, "/json/2"), strings.HasPrefix(p, "/web/dataset/call"): // of methods, whose names stand in the body
		return Excluded, true
	case strings.Contains(p, "/static/"):
		return Excluded, true
	}
	for route := p; len(route) > 1; route = route[:max(strings.LastIndexByte(route, '/'), 0)] {
		if t, known = odooRoutes[route]; known {
			return t, true
		}
	}
	return 0, false
}

func below(p, route string) bool { return p == route || strings.HasPrefix(p, route+"/") }

// plain tells whether a path means what it says: a proxy or a server may take "/web/image/../session/logout" for another,
// and takes "/web/%73ession/logout" for what it is when it is settled (see load.Call.Settle).
func plain(p string) bool {
	text, err := url.PathUnescape(p)
	return err == nil && (text == "" || text[0] == '/') && (&url.URL{Path: text}).EscapedPath() == p && (path.Clean(text) == text || path.Clean(text)+"/" == text) && !strings.ContainsAny(text, "\\;?#") && !escape.MatchString(text)
}

// escape is what a server that decodes twice would take for another character.
var escape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

func odooMethod(c *load.Call) Tier {
	if c.Method == "" || c.Method[0] == '_' || !named(c.Model, c.Method) {
		return Excluded // the server refuses it
	}
	if t, ok := odooReads[c.Method]; ok && !strings.HasPrefix(c.Path, "/web/dataset/call_button") {
		return t
	}
	switch c.Model + "." + c.Method {
	case "ir.ui.menu.load_web_menus", "ir.ui.menu.get_user_roots", "ir.model.get_available_models", "ir.http.session_info":
		return Effective
	}
	return change(c.Model, c.Method)
}
