package rpclog

import (
	"strconv"
	"strings"

	"github.com/perfd/perfd/evidence"
)

// jsonrpc is Odoo's JSON-RPC 2.0: /web/dataset/call_kw and its like, where the user comes from the session,
// /jsonrpc, where user and password are arguments, and any other route that takes a JSON-RPC request.
type jsonrpc struct{}

var _ envelope = jsonrpc{}

// isJSONRPC takes every JSON body; whether it is JSON-RPC shows when it was read.
func isJSONRPC(x *exchange, h *head) bool {
	return x.call.Verb == "POST" && (h.content == contentJSON || x.call.route() == serviceRoute || strings.HasPrefix(x.call.Path, datasetRoute))
}

const (
	serviceRoute      = "/jsonrpc"
	datasetRoute      = "/web/dataset/"
	authenticateRoute = "/web/session/authenticate"
	sessionInfoRoute  = "/web/session/get_session_info"
)

// Marks of exchange.envelop for JSON-RPC.
const (
	sawVersion uint8 = 1 << iota // the member "jsonrpc"
	sawParams
	sawError
)

func (jsonrpc) begin(x *exchange) {
	c := x.call
	if c.route() == serviceRoute || strings.HasPrefix(c.Path, "/web/dataset/") || strings.HasPrefix(c.Path, "/web/action/") ||
		strings.HasPrefix(c.Path, "/web/session/") {
		c.Transport = JSONRPC
	}
	// The server goes by the parameters; the path is what there is until they are read.
	if rest, ok := strings.CutPrefix(c.Path, datasetRoute); ok {
		if _, rest, ok = strings.Cut(rest, "/"); ok {
			c.Model, c.Method, _ = strings.Cut(rest, "/")
		}
	}
}

func (jsonrpc) request(x *exchange, h *head) reading {
	if confidential(x.call.Path) {
		return reading{}
	}
	r := reading{content: contentJSON, visit: jsonrpcAsked, depth: maxPathDepth}
	if x.call.route() == serviceRoute {
		r.skip = at(kParams, kArgs, elem+2)
	}
	return r
}

// Paths that jsonrpcAsked looks at.
const (
	inParams = path(kParams) << 8
	inArgs   = (inParams | path(kArgs)) << 8

	rpcVersion  = path(kJSONRPC)
	rpcModel    = inParams | path(kModel)
	rpcMethod   = inParams | path(kMethod)
	rpcService  = inParams | path(kService)
	rpcDB       = inParams | path(kDB)
	rpcLogin    = inParams | path(kLogin)
	rpcArg0     = inArgs | path(elem)
	rpcArg1     = inArgs | path(elem+1)
	rpcArg3     = inArgs | path(elem+3)
	rpcArg4     = inArgs | path(elem+4)
	rpcArg5     = inArgs | path(elem+5)
	rpcArg50    = rpcArg5<<8 | path(elem)
	rpcKwargs   = inParams | path(kKwargs)
	rpcKwIDs    = rpcKwargs<<8 | path(kIDs)
	rpcContext  = (inParams|path(kContext))<<8 | path(kUID)
	rpcContext2 = (rpcKwargs<<8|path(kContext))<<8 | path(kUID)
)

func jsonrpcAsked(x *exchange, at path, k kind, v []byte) {
	switch at {
	case rpcVersion:
		x.envelop |= sawVersion
	case rpcModel:
		x.found[foundModel].set(v)
	case rpcMethod:
		x.found[foundMethod].set(v)
	case rpcService:
		x.found[foundService].set(v)
	case rpcDB:
		x.found[foundDatabase].set(v)
	case rpcLogin:
		x.found[foundLogin].set(v)
	case rpcContext, rpcContext2:
		if n, ok := decimal(v); ok && k == number {
			x.hint = n
		}
	}
	if x.call.route() == serviceRoute {
		serviceArgument(x, at, k, v)
		return
	}
	x.countID(at, rpcArg0, k)
	x.countID(at, rpcKwIDs, k)
}

// serviceArgument takes a positional argument of Odoo's services: database, user id or login, password,
// then for the service object model, method and its arguments.
func serviceArgument(x *exchange, at path, k kind, v []byte) {
	switch at {
	case rpcArg0:
		x.found[foundArg0].set(v)
	case rpcArg1:
		x.found[foundArg1].set(v)
		if n, ok := decimal(v); ok && k == number {
			x.claimed = n
		}
	case rpcArg3:
		x.found[foundArg3].set(v)
	case rpcArg4:
		x.found[foundArg4].set(v)
	default:
		// execute_kw holds the method's arguments in a list, execute continues with them.
		if isID(at, rpcArg5, k) {
			x.idsFlat++
		}
		if isID(at, rpcArg50, k) {
			x.idsNested++
		}
	}
}

// serviceAsked concludes what a service was asked for; shared with XML-RPC, whose arguments are the same.
func serviceAsked(x *exchange, service, method string) {
	c := x.call
	c.Service, c.Method = service, method
	switch service {
	case "object":
		c.Model = x.name(&x.found[foundArg3])
		c.Method = x.name(&x.found[foundArg4])
		c.UID = x.claimed
		c.IDs = x.idsFlat
		if method == "execute_kw" {
			c.IDs = x.idsNested
		}
	case "common":
		x.claimed = 0
		x.found[foundLogin] = x.found[foundArg1]
	default: // db: its first argument is the master password
		x.claimed = 0
		c.Request = evidence.NewSet(x.d.cfg.RequestValues)
		return
	}
	if method != "version" && method != "about" {
		c.Database = x.name(&x.found[foundArg0])
	}
}

func (jsonrpc) asked(x *exchange) {
	c := x.call
	if x.envelop&sawVersion != 0 {
		c.Transport = JSONRPC
	}
	if c.Transport != JSONRPC {
		return
	}
	if c.route() == serviceRoute {
		serviceAsked(x, x.name(&x.found[foundService]), x.name(&x.found[foundMethod]))
		return
	}
	if model := x.nameLike(&x.found[foundModel], c.Model); model != "" {
		c.Model = model
		c.Method = x.nameLike(&x.found[foundMethod], c.Method)
		if c.Method == "" { // /web/dataset/search_read, load, resequence
			c.Method = c.Path[strings.LastIndexByte(c.Path, '/')+1:]
		}
	}
	if db := x.name(&x.found[foundDatabase]); db != "" && c.route() == authenticateRoute {
		c.Database = db
	}
}

func (jsonrpc) response(x *exchange, h *head) reading {
	if confidential(x.call.Path) {
		return reading{}
	}
	content := h.content
	if content == unstated {
		content = contentJSON
	}
	return reading{content: content, visit: jsonrpcAnswered, depth: 3}
}

// Paths that jsonrpcAnswered looks at.
const (
	inError  = path(kError) << 8
	inResult = path(kResult) << 8

	rpcErrorName    = (inError|path(kData))<<8 | path(kName)
	rpcErrorMessage = inError | path(kMessage)
	rpcErrorCode    = inError | path(kCode)
	rpcResult       = path(kResult)
	rpcResultUID    = inResult | path(kUID)
	rpcResultUser   = inResult | path(kUsername)
	rpcResultDB     = inResult | path(kDB)
)

func jsonrpcAnswered(x *exchange, at path, k kind, v []byte) {
	switch at {
	case rpcErrorName:
		if isErrorName(v) {
			x.call.Error = x.d.names.of(v)
		}
	case rpcErrorMessage:
		x.envelop |= sawError
	case rpcErrorCode:
		x.envelop |= sawError
		x.found[foundFault].set(v)
	case rpcResult, rpcResultUID:
		if n, ok := decimal(v); ok && k == number && n > 0 {
			x.answer, x.answered = n, somebody
		} else if k == literal {
			x.answered = nobody
		}
	case rpcResultUser:
		x.found[foundUser].set(v)
	case rpcResultDB:
		x.found[foundDatabase].set(v)
	}
}

func (jsonrpc) answered(x *exchange) {
	c := x.call
	if c.Error == "" && x.envelop&sawError != 0 {
		c.Error = "JSON-RPC error"
		if code, ok := integer(x.found[foundFault].bytes()); ok {
			c.Error += " " + strconv.FormatInt(code, 10)
		}
	}
	switch c.route() {
	case serviceRoute:
		serviceAnswered(x)
	case authenticateRoute, sessionInfoRoute:
		if x.answered != somebody || c.Error != "" {
			x.answer = 0
			break
		}
		c.UID = x.answer
		c.Login = x.d.login(&x.found[foundUser])
		if db := x.name(&x.found[foundDatabase]); db != "" {
			c.Database = db
		}
	default:
		x.answered = noAnswer
	}
}

// serviceAnswered concludes what a service's answer tells of the user.
func serviceAnswered(x *exchange) {
	c := x.call
	if strings.HasSuffix(c.Error, "AccessDenied") {
		c.UID, x.claimed = 0, 0
	}
	if c.Service == "common" && (c.Method == "login" || c.Method == "authenticate") && x.answered == somebody && c.Error == "" {
		c.UID = x.answer
		c.Login = x.d.login(&x.found[foundLogin])
	}
}
