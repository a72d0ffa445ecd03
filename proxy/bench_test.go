package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/lab"
)

// BenchmarkPostgreSQL compares a server with itself behind the proxy: round trips, and COPY.
func BenchmarkPostgreSQL(b *testing.B) {
	server := lab.PostgreSQL(b, lab.PostgresConfig{TLS: true})
	plain := startPostgreSQL(b, server, front{}, back{tls: ServerTLS{Mode: "disable"}}, PostgreSQLConfig{})
	secure := startPostgreSQL(b, server, front{}, back{tls: ServerTLS{Mode: "require"}}, PostgreSQLConfig{})
	for _, way := range []struct{ name, dsn string }{
		{"direct", server.DSN("postgres", "disable")}, {"proxy", plain.dsn(front{})}, {"direct-tls", server.DSN("postgres", "require")}, {"proxy-to-tls", secure.dsn(front{})},
	} {
		db := connect(b, way.dsn)
		b.Run("query/"+way.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := db.Exec(b.Context(), "SELECT 1"); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("copy/"+way.name, func(b *testing.B) {
			const rows, width = 20_000, 1000
			b.SetBytes(rows * width)
			for b.Loop() {
				if _, err := db.PgConn().CopyTo(b.Context(), io.Discard, fmt.Sprintf("COPY (SELECT repeat('x', %d) FROM generate_series(1, %d)) TO STDOUT", width, rows)); err != nil {
					b.Fatal(err)
				}
			}
		})
		_ = db.Close(b.Context())
	}
}

// BenchmarkHTTP is one client's round trips, with and without the proxy, which is fed into the decoder.
func BenchmarkHTTP(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					if _, err := request(r); err != nil {
						return
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
				}
			}()
		}
	}()
	feed, _, _ := decoded(b, capture.FeedConfig{})
	_, addr := startHTTP(b, HTTPConfig{Upstream: Address{"tcp", ln.Addr().String()}}, feed)
	for _, way := range []struct{ name, addr string }{{"direct", ln.Addr().String()}, {"proxy", addr}} {
		b.Run(way.name, func(b *testing.B) {
			conn, err := net.Dial("tcp", way.addr)
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			buf := make([]byte, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(conn, "GET /web HTTP/1.1\r\nHost: h\r\nCookie: session_id=abc\r\n\r\n"); err != nil {
					b.Fatal(err)
				}
				if _, err := conn.Read(buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
