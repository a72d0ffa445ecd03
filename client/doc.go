// Package client calls the methods of Odoo and Tryton servers over their own RPC protocols, and asks no server
// twice what a cache still knows.
//
// A Client is made once and used by many goroutines:
//
//	c, err := client.New(client.Config{
//		Servers: []string{"https://odoo.example.com"}, Database: "prod", Login: "me", Password: "secret",
//	})
//	...
//	defer c.Close()
//	raw, err := c.Call(ctx, "res.partner", "search_count", []any{[]any{}}, nil)
//
// Call is the whole of the core: it logs in when a server first needs it, picks a server of several, keeps to the
// limits of each, tries again what is safe to try again, answers from the cache what may be answered from there, and
// forgets what a write may have changed. Queries, typed records, batches and undo are built on Call alone.
//
// No call makes others behind the caller's back: one Call is one request, apart from the log-in (see Login) and
// what retries repeat.
package client
