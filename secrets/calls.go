package secrets

import "strings"

// Model says whether most values of a model are credentials, so that nothing of its calls is kept.
func Model(model string) bool {
	for _, p := range models {
		if model == p || strings.HasSuffix(p, ".") && strings.HasPrefix(model, p) {
			return true
		}
	}
	for _, p := range modelParts {
		if strings.Contains(model, p) {
			return true
		}
	}
	return false
}

// models are whole names, or beginnings if they end in a dot; modelParts are parts of them.
var models = []string{
	"ir.config_parameter", "ir.mail_server", "fetchmail.server", "res.config.settings", "res.users.apikeys", "res.users.apikeys.",
	"res.users.identitycheck", "auth_totp.", "auth.totp.", "auth.oauth.provider", "res.company.ldap", "change.password.", "payment.provider", "payment.acquirer",
	"payment.token", "iap.account", "google.", "microsoft.", "certificate.", "res.user.application", "res.user.login.", "res.user.device", "ir.session", "ir.email.", "ir.configuration",
	"res.device", "res.device.log", "mail.push.", "auth.passkey.", "iot.", "web.user.session",
}

var modelParts = []string{"credential", "apikey", "api.key", "passkey", "password", "oauth", "totp"}

// Method says whether a method of a model takes or answers a secret by its place, so that nothing of its calls is kept.
func Method(model, method string) bool {
	method = strings.ToLower(method)
	for _, p := range methods {
		if strings.Contains(method, p) {
			return true
		}
	}
	for _, m := range modelMethods[model] {
		if method == m {
			return true
		}
	}
	return false
}

// methods are parts of names: of log-ins and sign-ups, of passwords, tokens and keys that are set, checked or made, of badges
// and pins that are shown.
var methods = []string{
	"password", "passwd", "credential", "authenticate", "login", "totp", "token", "api_key", "apikey", "make_key", "set_preferences", "secret",
	"signup", "oauth", "passkey", "webauthn", "check_pin", "verify_pin", "set_pin", "pin_code", "attendance_manual", "attendance_scan", "session_key", "private_key",
	"access_key", "identity_check", "check_identity", "run_check",
}

// modelMethods are those whose names tell nothing.
var modelMethods = map[string][]string{
	"res.users": {"check", "check_super", "_check"},
	"web.user":  {"new_session", "get_user", "validate_email", "validate_email_url"},
}

// Route says whether a path is of log-ins, of passwords, of keys or of payments, so that nothing of its calls is kept.
func Route(path string) bool {
	for _, p := range routes {
		if strings.Contains(path, p) {
			return true
		}
	}
	return false
}

var routes = []string{"login", "signup", "oauth", "totp", "/user/application", "/payment/", "passkey", "webauthn", "/my/security", "password"}

// Service says whether one of Odoo's services is known to take no secret but where it is looked for: any other may have its
// password anywhere, and nothing of its calls is kept.
func Service(service, method string) bool {
	switch service {
	case "object":
		return false
	case "common":
		return method != "version" && method != "about"
	}
	return true
}
