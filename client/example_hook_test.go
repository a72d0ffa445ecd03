package client_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/perfd/perfd/client"
)

// span is what the example needs of OpenTelemetry's trace.Span, whose methods these are but for their options.
type span interface {
	RecordError(err error)
	End()
}

// tracer stands for trace.Tracer and the propagator: in a program Start is
//
//	ctx, s := otel.Tracer("odoo").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
//
// and Inject is
//
//	otel.GetTextMapPropagator().Inject(ctx, propagation.HeaderCarrier(header))
type tracer interface {
	Start(ctx context.Context, name string) (context.Context, span)
	Inject(ctx context.Context, header http.Header)
}

// spanKey is where a context has its span, as trace.SpanFromContext finds it.
type spanKey struct{}

// spans makes a span of each request, and lets the server's be its children.
func spans(t tracer) client.Hook {
	return client.Hook{
		Before: func(ctx context.Context, r *client.Request) context.Context {
			ctx, s := t.Start(ctx, r.Model+"."+r.Method)
			t.Inject(ctx, r.Header)
			return context.WithValue(ctx, spanKey{}, s)
		},
		After: func(ctx context.Context, _ *client.Request, resp *client.Response) {
			s, ok := ctx.Value(spanKey{}).(span)
			if !ok {
				return
			}
			if resp.Err != nil {
				s.RecordError(resp.Err)
			}
			s.End()
		},
	}
}

// printer is a tracer that prints.
type printer struct{ name string }

var (
	_ tracer = printer{}
	_ span   = printer{}
)

func (printer) Start(ctx context.Context, name string) (context.Context, span) {
	return ctx, printer{name}
}

func (printer) Inject(_ context.Context, header http.Header) {
	header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
}

func (p printer) RecordError(err error) {
	kind, _ := client.KindOf(err)
	fmt.Println("span", p.name, "failed:", kind)
}

func (p printer) End() { fmt.Println("span", p.name, "ended") }

// A hook that makes spans needs two methods of a tracer and two of a span.
func ExampleHook() {
	server := exampleServer()
	defer server.Close()
	c, err := client.New(client.Config{
		Servers: []string{server.URL}, Database: "prod", Login: "me", Password: "secret", Hooks: []client.Hook{spans(printer{})},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	_, _ = c.Call(context.Background(), "res.partner", "search_count", []any{[]any{}}, nil)
	_, _ = c.Call(context.Background(), "sale.order", "unlink", []any{[]any{7}}, nil)
	// Output:
	// span .login ended
	// the server is asked res.partner/search_count
	// span res.partner.search_count ended
	// span sale.order.unlink failed: user error
	// span sale.order.unlink ended
}
