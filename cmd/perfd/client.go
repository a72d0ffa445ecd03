package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
)

const clientHelp = `Client calls the methods of an Odoo or Tryton server, as a program would that uses package client.

The server, the database and the user come from flags or from the environment: ODOO_URL
(https://login:password@host/?db=name), ODOO_DATABASE, ODOO_LOGIN, ODOO_PASSWORD, REDIS_URL, CACHE_KEYS (which encrypt
what Redis keeps), CACHE_TTL, MAX_CONNECTIONS. Without a password in any of them it is read from the file of --password-file, or from standard
input, unseen on a terminal.`

// clientFlags is whom to call.
type clientFlags struct {
	url, transport, database, databaseID, login, passwordFile, redis string
	timeout                                                          time.Duration
}

func clientCommand(t terminal) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "client",
		Short: "Call methods of an Odoo or Tryton server",
		Long:  clientHelp,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("unknown command %q", "client "+args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f.add(cmd.PersistentFlags())
	cmd.AddCommand(clientLoginCommand(t, &f), clientCallCommand(t, &f), clientSearchCommand(t, &f), clientCacheCommand(t, &f))
	return cmd
}

func (f *clientFlags) add(s *pflag.FlagSet) {
	s.StringVar(&f.url, "url", "", "`address` of the server, or several with commas (default: $ODOO_URL)")
	s.StringVar(&f.transport, "transport", "web", "`way` of calling: web, jsonrpc, xmlrpc, json2 or tryton")
	s.StringVar(&f.database, "database", "", "`name` of the database")
	s.StringVar(&f.databaseID, "database-id", "", "`id` of the database in a Redis that others share, as its database.uuid (default: addresses and name)")
	s.StringVar(&f.login, "login", "", "`name` of the user")
	s.StringVar(&f.passwordFile, "password-file", "", "`file` with the password or API key (default: $ODOO_PASSWORD)")
	s.StringVar(&f.redis, "redis", "", "`address` of a Redis that keeps answers (default: $REDIS_URL)")
	s.DurationVar(&f.timeout, "timeout", 2*time.Minute, "limit of one attempt, as a `duration`")
}

// config is the client's configuration, and what the environment says of the cache.
func (f *clientFlags) config(t terminal) (client.Config, client.CacheEnv, error) {
	c, e, err := client.FromVariables(func(name string) string {
		if name == "ODOO_URL" && f.url != "" {
			return f.url
		}
		return os.Getenv(name)
	})
	if err != nil {
		return c, e, hinted{usageError{err}, "give --url, or set ODOO_URL"}
	}
	c.Transport, c.Timeout = client.Transport(f.transport), f.timeout
	c.Database, c.Login = cmp.Or(f.database, c.Database), cmp.Or(f.login, c.Login)
	c.DatabaseID = f.databaseID
	e.Redis = cmp.Or(f.redis, e.Redis)
	if c.Database == "" && c.Transport != client.TransportJSON2 {
		return c, e, hinted{usagef("no database is named"), "give --database"}
	}
	if c.Login == "" && c.Transport != client.TransportJSON2 {
		return c, e, hinted{usagef("no user is named"), "give --login"}
	}
	var password string
	switch {
	case f.passwordFile != "":
		if password, err = passwordOf(f.passwordFile); err != nil {
			return c, e, err
		}
	case c.Password == "":
		if password, err = readPassword(t); err != nil {
			return c, e, err
		}
	}
	if password != "" {
		c.Password = client.Secret(password)
	}
	if err := c.Validate(); err != nil {
		return c, e, usageError{err}
	}
	return c, e, nil
}

// clientCache is a memory, before a Redis if there is one. What programs encrypt in it, this does, too.
func clientCache(e client.CacheEnv) (*cache.Loader, *cache.Redis, error) {
	var ttl cache.Lifetime
	if e.TTL != nil {
		ttl = cache.For(*e.TTL)
	}
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		return nil, nil, fmt.Errorf("make a cache: %w", err)
	}
	if e.Redis == "" {
		return cache.NewLoader(memory, cache.LoaderConfig{TTL: ttl}), nil, nil
	}
	c, err := redisConfig(e.Redis)
	if err != nil {
		return nil, nil, err
	}
	redis, err := cache.NewRedis(c)
	if err != nil {
		return nil, nil, usageError{err}
	}
	return cache.NewLoader(cache.NewTiered(memory, redis, cache.TieredConfig{}), cache.LoaderConfig{TTL: ttl}), redis, nil
}

// withClient lets use have a client with a cache and hooks, and closes both.
func (f *clientFlags) withClient(ctx context.Context, t terminal, use func(context.Context, *client.Client) error, hooks ...client.Hook) error {
	c, e, err := f.config(t)
	if err != nil {
		return err
	}
	loader, _, err := clientCache(e)
	if err != nil {
		return err
	}
	defer func() { _ = loader.Close() }()
	c.Cache, c.Hooks = loader, hooks
	k, err := client.New(c)
	if err != nil {
		return usageError{err}
	}
	defer func() { _ = k.Close() }()
	return clientError(use(ctx, k))
}

// clientError adds what a person can do about an error.
func clientError(err error) error {
	var e *client.Error
	if !errors.As(err, &e) {
		return err
	}
	hint := e.Hint
	if hint == "" && e.Kind == client.KindAccess {
		hint = "ask for the right, or use another user"
	}
	return hinted{err, hint}
}

// jsonArgument reads an argument that is JSON, from a file if it begins with @.
func jsonArgument(name, text string, into any) error {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		text = string(b)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil || d.More() {
		return hinted{usagef("%s is no JSON of its kind: %s", name, text), `as '[["name", "ilike", "a"]]', or {"limit": 5}, or @file`}
	}
	return nil
}

// passwordOf reads a file that holds a password and no more.
func passwordOf(file string) (string, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimRight(string(b), "\r\n"), nil
}

// redisConfig is how a Redis is reached that keeps answers: encrypted where CACHE_KEYS is set.
func redisConfig(address string) (cache.RedisConfig, error) {
	cache.QuietRedis()
	c, err := cache.ParseRedisURL(address)
	if err != nil {
		return c, usageError{err}
	}
	if c.EncryptionKeys, err = cache.EncryptionKeysFromEnv("CACHE_KEYS"); err != nil {
		return c, usageError{err}
	}
	return c, nil
}
