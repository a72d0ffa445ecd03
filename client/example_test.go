package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/perfd/perfd/cache"
	"github.com/perfd/perfd/client"
)

// exampleServer stands in for an Odoo.
func exampleServer() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/authenticate"):
			fmt.Fprint(w, `{"result": {"uid": 2, "username": "me", "user_context": {"lang": "en_US", "uid": 2}}}`)
		case strings.HasSuffix(r.URL.Path, "/unlink"):
			fmt.Fprint(w, `{"error": {"code": 200, "message": "Odoo Server Error", "data": {"name": "odoo.exceptions.UserError",
				"message": "Cancel it first.", "debug": "Traceback ..."}}}`)
		default:
			fmt.Println("the server is asked", strings.TrimPrefix(r.URL.Path, "/web/dataset/call_kw/"))
			fmt.Fprint(w, `{"result": 42}`)
		}
	}))
}

// A call needs no more than a server, a database and a user.
func Example_call() {
	server := exampleServer()
	defer server.Close()
	c, err := client.New(client.Config{Servers: []string{server.URL}, Database: "prod", Login: "me", Password: "secret"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	domain := []any{[]any{"is_company", "=", true}}
	n, err := c.Call(context.Background(), "res.partner", "search_count", []any{domain}, nil)
	fmt.Println(string(n), err)

	_, err = c.Call(context.Background(), "sale.order", "unlink", []any{[]any{7}}, nil)
	var e *client.Error
	if errors.Is(err, client.KindUser) && errors.As(err, &e) {
		fmt.Println("refused:", e.Message)
	}
	// Output:
	// the server is asked res.partner/search_count
	// 42 <nil>
	// refused: Cancel it first.
}

// With a cache the second of two equal calls asks nobody, until something is written.
func Example_cache() {
	server := exampleServer()
	defer server.Close()
	memory, err := cache.NewMemory(cache.MemoryConfig{})
	if err != nil {
		log.Fatal(err)
	}
	loader := cache.NewLoader(memory, cache.LoaderConfig{})
	defer loader.Close()
	c, err := client.New(client.Config{Servers: []string{server.URL}, Database: "prod", Login: "me", Password: "secret", Cache: loader})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background()
	count := func() {
		if _, err := c.Call(ctx, "res.partner", "search_count", []any{[]any{}}, nil); err != nil {
			log.Fatal(err)
		}
	}
	count()
	count()
	if _, err := c.Call(ctx, "res.partner", "write", []any{[]any{1}, map[string]any{"city": "Bonn"}}, nil); err != nil {
		log.Fatal(err)
	}
	count()
	fmt.Println(c.CacheStats().Hits, "hit")
	// Output:
	// the server is asked res.partner/search_count
	// the server is asked res.partner/write
	// the server is asked res.partner/search_count
	// 1 hit
}
