package replay

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/perfd/perfd/client"
	"github.com/perfd/perfd/replay/rewrite"
)

// Parameters of Odoo that say which database it is, and whether it is a copy that cannot do harm.
const (
	parameterUUID        = "database.uuid"
	parameterNeutralized = "database.is_neutralized"
	accountRoute         = "/web/session/account"
)

// prepareRewriter makes what maps ids and dates.
func (r *Runner) prepareRewriter() {
	tryton := r.product == "tryton"
	r.rewriter = &rewrite.Rewriter{Table: r.ids, Schema: rewrite.NewSchema(tryton), Tryton: tryton, Recorded: r.header.Start}
	if r.cfg.ShiftDates && !r.header.Start.IsZero() {
		days := int(time.Since(r.header.Start) / (24 * time.Hour))
		r.rewriter.Shift = time.Duration(days) * 24 * time.Hour
	}
}

// prepare waits for the log-ins of the first calls and makes sure of the target.
func (r *Runner) prepare(ctx context.Context, first []*item) error {
	var known *session
	var failure error
	for _, it := range first {
		select {
		case <-it.session.loggedIn:
		case <-ctx.Done():
			return fmt.Errorf("log in: %w", ctx.Err())
		}
		if err := it.session.failure; err != nil {
			failure = err
		} else if known == nil && !it.session.public {
			known = it.session
		}
	}
	if known == nil {
		if failure != nil {
			return failure
		}
	}
	r.asked = known != nil
	return r.judgeTarget(ctx, known)
}

// judgeLate makes sure of the target once more, if a session that comes later tells more than those before: it is the first
// of a user, or the first of another database by the target's name.
func (r *Runner) judgeLate(ctx context.Context, s *session) error {
	named := s.info.Database == r.cfg.Database && s.info.Database != r.header.Database && !r.named
	if r.begun.IsZero() || r.cfg.Confirm != "" || s.nobody() || r.asked && !named {
		return nil
	}
	select {
	case <-s.loggedIn:
	case <-ctx.Done():
		return nil
	}
	if s.failure != nil {
		return nil
	}
	r.asked, r.named = true, r.named || named
	err := r.judgeTarget(ctx, s)
	if ctx.Err() != nil { // the run ends, and nothing more is sent
		return nil
	}
	return err
}

// judgeTarget refuses the captured database, and, if writes are allowed, one of which it is not known that it is
// another. It asks as a user whom known is.
func (r *Runner) judgeTarget(ctx context.Context, known *session) error {
	if r.cfg.Confirm != "" {
		if r.cfg.Confirm != r.cfg.Database {
			return &Refusal{
				Message: fmt.Sprintf("the target is confirmed to be %q, but it is %q", r.cfg.Confirm, r.cfg.Database),
				Hint:    "--target-is and --target-b-is take the name of the target's database, the same as --database and --database-b",
			}
		}
		return nil
	}
	var uuid string
	var neutral bool
	if known != nil && known.client != nil && r.product != "tryton" {
		uuid, neutral = identity(ctx, known.client)
		if uuid == "" && r.header.DatabaseUUID != "" {
			uuid = accountOf(ctx, known.client)
		}
	}
	told := r.header.DatabaseUUID != "" && uuid != ""
	same := told && strings.EqualFold(uuid, r.header.DatabaseUUID)
	if !same && r.mayBeCaptured(told) {
		same = sameServer(ctx, r.header.Server, hostOf(r.cfg.Target, r.product))
	}
	switch {
	case neutral:
		return nil
	case same:
		return &Refusal{
			Message: "the target is the captured database",
			Hint:    "replay to a copy; if this is one, give its name once more as " + sayIs + r.cfg.Database,
		}
	case !r.cfg.Safety.Writes, uuid != "" && r.header.DatabaseUUID != "":
		return nil
	}
	return &Refusal{
		Message: "nothing tells that the target is another database than the captured one, and writes are allowed",
		Hint:    "if it is a copy, say so with " + sayIs + r.cfg.Database + ", or neutralize it",
	}
}

// mayBeCaptured tells whether the target's database has a name under which calls were captured, or may have: that of the load,
// that of any session, or one that nothing showed. If it told that it is not the load's, sessions of others count alone.
func (r *Runner) mayBeCaptured(told bool) bool {
	name := r.header.Database
	if name == r.cfg.Database {
		return !told
	}
	for _, s := range r.sessions {
		if s.info.Database == r.cfg.Database {
			return true
		}
		name = cmp.Or(name, s.info.Database)
	}
	return name == "" && !told
}

// identity asks Odoo for its database's parameters, which administrators may read.
func identity(ctx context.Context, c *client.Client) (uuid string, neutral bool) {
	raw, err := c.Call(ctx, "ir.config_parameter", "search_read",
		[]any{[]any{[]any{"key", "in", []any{parameterUUID, parameterNeutralized}}}}, map[string]any{"fields": []any{"key", "value"}}, client.NoCache())
	if err != nil {
		return "", false
	}
	var rows []struct {
		Key   string
		Value any
	}
	_ = json.Unmarshal(raw, &rows)
	for _, row := range rows {
		value := fmt.Sprint(row.Value)
		switch row.Key {
		case parameterUUID:
			uuid = value
		case parameterNeutralized:
			neutral = strings.EqualFold(value, "true") || value == "1"
		}
	}
	return uuid, neutral
}

// accountOf asks for the address at which a user's account is, in which the database's uuid is the client's id: every user may.
func accountOf(ctx context.Context, c *client.Client) (uuid string) {
	m := client.Message{Path: accountRoute, Kind: jsonKind, Body: []byte(`{"jsonrpc":"2.0","method":"call","id":0,"params":{}}`), Safe: true}
	reply, err := c.Send(ctx, m)
	var address string
	if err != nil || json.Unmarshal(reply.Result, &address) != nil {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	if id := strings.ToLower(u.Query().Get("client_id")); isUUID.MatchString(id) {
		return id
	}
	return ""
}

var isUUID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// sayIs is how a person vouches for a database.
const sayIs = "--target-is (--target-b-is for the second server) "

// sameServer tells whether a recorded address is that of a target, of which a person gave the name.
func sameServer(ctx context.Context, recorded, target string) bool {
	if recorded == "" || target == "" || recorded == target {
		return recorded != "" && recorded == target
	}
	was, err1 := netip.ParseAddrPort(recorded)
	host, port, err2 := net.SplitHostPort(target)
	number, err3 := strconv.ParseUint(port, 10, 16)
	if err1 != nil || err2 != nil || err3 != nil || uint16(number) != was.Port() {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	here := ownAddresses()
	return err == nil && slices.ContainsFunc(addresses, func(a netip.Addr) bool {
		a = a.Unmap().WithZone("")
		was := was.Addr().Unmap().WithZone("")
		return a == was || here(a) && here(was)
	})
}

// ownAddresses tells of an address whether it is one of this machine.
func ownAddresses() func(netip.Addr) bool {
	own := map[netip.Addr]bool{}
	list, _ := net.InterfaceAddrs() // without it, what follows tells most
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap().WithZone("")] = true
		}
	}
	return func(a netip.Addr) bool { return a.IsLoopback() || a.IsUnspecified() || own[a] }
}

// hostOf is the host and port of an address.
func hostOf(address, product string) string {
	p := client.Odoo
	if product == "tryton" {
		p = client.Tryton
	}
	u, err := client.ParseAddress(address, p)
	if err != nil {
		return ""
	}
	return u.Host
}
