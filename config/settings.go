package config

import "strings"

// setting is one thing that can be set.
type setting struct {
	key  string // dotted, as in the file
	flag string // empty: a secret, which a process list would show
	help string
	// restart says that a running perfd cannot change it.
	restart bool
	allowed []string
	at      func(*Config) any // a pointer to the field
}

// settings is the table of everything that can be set, in the order of the default file.
var settings = []setting{
	{key: "interfaces", flag: "interface", restart: true, at: func(c *Config) any { return &c.Interfaces },
		help: "Network interfaces to tap. Empty: all that are up, and those that come up later."},
	{key: "rpc_ports", flag: "rpc-port", restart: true, at: func(c *Config) any { return &c.RPCPorts },
		help: "Ports on which Odoo or Tryton speaks plain HTTP. Empty: those of the servers found on this host."},
	{key: "pg_ports", flag: "pg-port", restart: true, at: func(c *Config) any { return &c.PGPorts },
		help: "Ports on which PostgreSQL, or the PgBouncer in front of it, is reached. Empty: found on this host, else 5432."},
	{key: "store", flag: "store", restart: true, at: func(c *Config) any { return &c.Store },
		help: "File that keeps the traces."},
	{key: "listen", flag: "listen", restart: true, at: func(c *Config) any { return &c.Listen },
		help: "Address of the pages, or off. Any other than a loopback address needs auth."},
	{key: "hosts", flag: "host", restart: true, at: func(c *Config) any { return &c.Hosts },
		help: "Further host names under which the pages may be asked for."},
	{key: "memory", flag: "memory", restart: true, at: func(c *Config) any { return &c.Memory },
		help: "All the memory perfd may use. Beyond it, detail is shed and counted."},
	{key: "cpu", flag: "cpu", restart: true, at: func(c *Config) any { return &c.CPU },
		help: "How much of a core perfd may use, such as 0.5 or 50%. 0: no bound. Beyond it, detail is shed and counted."},

	{key: "retention.age", flag: "retention-age", at: func(c *Config) any { return &c.Retention.Age },
		help: "How long traces are kept."},
	{key: "retention.size", flag: "retention-size", at: func(c *Config) any { return &c.Retention.Size },
		help: "How large the store may grow; the oldest traces go first. 0: no bound."},
	{key: "retention.aggregates", flag: "retention-aggregates", at: func(c *Config) any { return &c.Retention.Aggregates },
		help: "How long the hourly sums by method are kept."},

	{key: "keep.users", flag: "users", at: func(c *Config) any { return &c.Keep.Users },
		help: "Calls of these users (* and ? match) are kept whole, all others are counted. Empty: of all users."},
	{key: "keep.methods", flag: "methods", at: func(c *Config) any { return &c.Keep.Methods },
		help: "Methods kept whole, as web_search_read or res.partner.*. Empty: all."},
	{key: "keep.models", flag: "models", at: func(c *Config) any { return &c.Keep.Models },
		help: "Models kept whole, as sale.*. Empty: all."},
	{key: "keep.slow", flag: "slow", at: func(c *Config) any { return &c.Keep.Slow },
		help: "Only calls that took at least this long are kept whole."},

	{key: "evidence.process", flag: "evidence-process", restart: true, allowed: modes, at: func(c *Config) any { return &c.Evidence.Process },
		help: "Ask the kernel which process owns a socket. auto: where permitted; on: fail where not."},
	{key: "evidence.threads", flag: "evidence-threads", restart: true, allowed: modes, at: func(c *Config) any { return &c.Evidence.Threads },
		help: "Watch by eBPF which thread uses which socket; exact for threaded servers. Needs CAP_BPF and CAP_PERFMON."},

	{key: "pg_log.path", flag: "pg-log", restart: true, at: func(c *Config) any { return &c.PGLog.Path },
		help: "PostgreSQL's server log, where packets are encrypted. Empty: none."},
	{key: "pg_log.format", flag: "pg-log-format", restart: true, allowed: []string{"auto", "stderr", "csvlog", "jsonlog"}, at: func(c *Config) any { return &c.PGLog.Format },
		help: "Its format."},
	{key: "pg_log.line_prefix", flag: "pg-log-line-prefix", restart: true, at: func(c *Config) any { return &c.PGLog.LinePrefix },
		help: "The server's log_line_prefix, for stderr. Empty: guessed from the lines."},
	{key: "odoo_log.path", flag: "odoo-log", restart: true, at: func(c *Config) any { return &c.OdooLog.Path },
		help: "Odoo's or Tryton's own log, to check what perfd attributed against it. Empty: none."},
	{key: "database.dsn", at: func(c *Config) any { return (*string)(&c.Database.DSN) },
		help: "How to ask PostgreSQL for its settings and statistics; a role with pg_monitor suffices. Empty: it is not asked."},

	{key: "auth.token", at: func(c *Config) any { return (*string)(&c.Auth.Token) },
		help: "Token that the pages and the API ask for."},
	{key: "auth.token_file", flag: "auth-token-file", at: func(c *Config) any { return &c.Auth.TokenFile },
		help: "File that holds the token."},
	{key: "auth.password_hash", at: func(c *Config) any { return (*string)(&c.Auth.PasswordHash) },
		help: "Hash of a password for the pages, as perfd config hash-password prints it."},

	{key: "metrics.enabled", flag: "metrics", restart: true, at: func(c *Config) any { return &c.Metrics.Enabled },
		help: "Whether /metrics is served for Prometheus."},
	{key: "metrics.listen", flag: "metrics-listen", restart: true, at: func(c *Config) any { return &c.Metrics.Listen },
		help: "Address of its own for /metrics, which asks for no token. Empty: that of the pages."},
	{key: "metrics.max_methods", flag: "metrics-max-methods", restart: true, at: func(c *Config) any { return &c.Metrics.MaxMethods },
		help: "How many methods get series of their own; the rest are one, named other."},

	{key: "log.level", flag: "log-level", allowed: []string{"debug", "info", "warn", "error"}, at: func(c *Config) any { return &c.Log.Level },
		help: "Least level that is logged."},
	{key: "log.format", flag: "log-format", restart: true, allowed: []string{"text", "json"}, at: func(c *Config) any { return &c.Log.Format },
		help: "Form of the log."},

	{key: "pyroscope.url", flag: "pyroscope-url", restart: true, at: func(c *Config) any { return &c.Pyroscope.URL },
		help: "Pyroscope server that receives profiles of perfd itself. Empty: none is sent."},
	{key: "pyroscope.tags", flag: "pyroscope-tag", restart: true, at: func(c *Config) any { return &c.Pyroscope.Tags },
		help: "Tags of the profiles, as host: erp1."},
	{key: "pyroscope.user", flag: "pyroscope-user", restart: true, at: func(c *Config) any { return &c.Pyroscope.User },
		help: "User name for the Pyroscope server."},
	{key: "pyroscope.password", restart: true, at: func(c *Config) any { return (*string)(&c.Pyroscope.Password) },
		help: "Password for the Pyroscope server."},

	{key: "privacy.session_key_file", flag: "session-key-file", restart: true, at: func(c *Config) any { return &c.Privacy.SessionKeyFile },
		help: "File with the key of session hashes, 32 bytes or more; one key keeps hashes comparable over restarts. Empty: a new key at each start."},
	{key: "privacy.users", flag: "privacy-users", restart: true, allowed: []string{"plain", "pseudonym"}, at: func(c *Config) any { return &c.Privacy.Users },
		help: "Whether logins are stored as they are or as pseudonyms."},
}

var modes = []string{string(Auto), string(On), string(Off)}

// sections says what the groups of the default file are for.
var sections = map[string]string{
	"retention": "What the store keeps.",
	"keep":      "Which calls are kept whole. Everything is counted.",
	"evidence":  "What is asked of the operating system.",
	"pg_log":    "PostgreSQL's server log as a source of statements.",
	"odoo_log":  "The application server's log as a check.",
	"database":  "PostgreSQL itself as a source.",
	"auth":      "Who may see the pages. One is needed unless listen is a loopback address.",
	"metrics":   "Prometheus.",
	"log":       "What perfd tells of itself.",
	"pyroscope": "Profiles of perfd itself.",
	"privacy":   "What is stored of people.",
}

// byKey finds a setting.
func byKey(key string) (setting, bool) {
	for _, s := range settings {
		if s.key == key {
			return s, true
		}
	}
	return setting{}, false
}

// env is the environment variable of a setting: PERFD_RETENTION_AGE.
func (s setting) env() string {
	return "PERFD_" + strings.ToUpper(strings.ReplaceAll(s.key, ".", "_"))
}

// secret reports whether the value must not be shown.
func (s setting) secret() bool { return s.flag == "" }

// Flag is a setting as a command line shows it.
type Flag struct {
	Key, Name, Help string
	Default         string // empty if there is none to show
	Bool            bool   // may be given without a value
	Placeholder     string // for the value
}

// Flags lists the settings that have a flag.
func Flags() []Flag {
	d := Default()
	var out []Flag
	for _, s := range settings {
		if s.flag == "" {
			continue
		}
		_, isBool := s.at(&d).(*bool)
		help := strings.TrimSuffix(s.help, ".")
		if word, _, _ := strings.Cut(help, " "); !strings.HasSuffix(word, "'s") && word != "Pyroscope" { // no name
			help = strings.ToLower(help[:1]) + help[1:]
		}
		if len(s.allowed) > 0 {
			help += " (" + strings.Join(s.allowed, ", ") + ")"
		}
		out = append(out, Flag{Key: s.key, Name: s.flag, Help: help, Default: format(s.at(&d)), Bool: isBool, Placeholder: kindOf(s).placeholder})
	}
	return out
}
