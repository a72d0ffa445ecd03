package rpclog

import (
	"bytes"
	"fmt"
	"strings"
)

// xmlrpc is Odoo's XML-RPC: /xmlrpc/<service> answers faults as strings, /xmlrpc/2/<service> as numbers.
// Tryton takes XML-RPC on its own paths.
type xmlrpc struct{}

var _ envelope = xmlrpc{}

func isXMLRPC(x *exchange, h *head) bool {
	return x.call.Verb == "POST" && (strings.HasPrefix(x.call.Path, "/xmlrpc/") || h.content == contentXML && trytonDatabase(x.call.Path) != "")
}

func (xmlrpc) begin(x *exchange) {
	x.call.Transport = XMLRPC
	if rest, ok := strings.CutPrefix(x.call.Path, "/xmlrpc/"); ok {
		x.call.Service = strings.TrimPrefix(rest, "2/")
	} else {
		x.call.Database = trytonDatabase(x.call.Path)
	}
}

func (xmlrpc) request(x *exchange, _ *head) reading {
	r := reading{content: contentXML, visit: xmlrpcAsked, depth: maxPathDepth, skip: at(kParams, elem+2)}
	if confidential(x.call.Path) {
		r.skip = 0
		x.found[foundService].set([]byte("db"))
	}
	return r
}

func xmlrpcAsked(x *exchange, p path, k kind, v []byte) {
	if p == at(kMethod) {
		x.found[foundMethod].set(v)
		return
	}
	// The arguments of JSON-RPC's params.args stand here in params itself.
	if nested := rebase(p); nested != 0 {
		serviceArgument(x, nested, k, v)
	}
}

// rebase turns params[…] into params.args[…], or returns 0.
func rebase(p path) path {
	const width = 8
	for shift := 0; shift < width*(maxPathDepth-1); shift += width {
		if p>>shift == path(kParams) {
			return at(kParams, kArgs)<<shift | p&(1<<shift-1)
		}
	}
	return 0
}

func (xmlrpc) asked(x *exchange) {
	method := x.name(&x.found[foundMethod])
	if strings.HasPrefix(x.call.Path, "/xmlrpc/") {
		serviceAsked(x, x.call.Service, method)
		return
	}
	trytonMethod(x.call, method)
}

func (xmlrpc) response(x *exchange, h *head) reading {
	if confidential(x.call.Path) || x.call.Service == "db" {
		return reading{}
	}
	content := h.content
	if content == unstated {
		content = contentXML
	}
	return reading{content: content, visit: xmlrpcAnswered, depth: 2}
}

func xmlrpcAnswered(x *exchange, p path, k kind, v []byte) {
	switch p {
	case at(kFault, kFaultCode):
		x.envelop |= sawError
		if k == number {
			x.found[foundFault].set(v)
		} else if name := faultName(v); name != nil {
			x.found[foundError].set(name)
		}
	case at(kFault, kFaultString):
		x.envelop |= sawError
	case at(kFault, kName):
		x.found[foundError].set(v)
	case at(kParams, elem):
		if n, ok := decimal(v); ok && k == number && n > 0 {
			x.answer, x.answered = n, somebody
		}
	}
}

// faultName finds the exception in the string faults of /xmlrpc: "warning -- AccessError\n\n…" or
// "AccessDenied".
func faultName(v []byte) []byte {
	line, _, _ := bytes.Cut(v, []byte{'\n'})
	if i := bytes.LastIndex(line, []byte("-- ")); i >= 0 {
		line = line[i+3:]
	}
	if line = bytes.TrimSpace(line); !isErrorName(line) {
		return nil
	}
	return line
}

func (xmlrpc) answered(x *exchange) {
	c := x.call
	if x.envelop&sawError != 0 {
		c.Error = "Fault"
		switch code := string(x.found[foundFault].bytes()); code { // as Odoo's rpc controller numbers them
		case "2":
			c.Error = "UserError"
		case "3":
			c.Error = "AccessDenied"
		case "4":
			c.Error = "AccessError"
		default:
			if n, ok := integer([]byte(code)); ok {
				c.Error = x.d.names.of(fmt.Appendf(nil, "Fault %d", n))
			}
		}
		if name := x.found[foundError].bytes(); len(name) > 0 {
			c.Error = x.d.names.of(name)
		}
	}
	serviceAnswered(x)
}
