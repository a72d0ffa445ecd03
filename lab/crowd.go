package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
)

// maxUsers is the number of users in the prepared database.
const maxUsers = 6

func userLogin(i int) string    { return fmt.Sprintf("user%d", i+1) }
func userPassword(i int) string { return fmt.Sprintf("kQ7#vbmx%d", i) }

// Crowd is users who work at the same time. A value with nothing but Host set works.
type Crowd struct {
	// Host is the server's or a proxy's address.
	Host string
	// Dial replaces the connecting to Host, for Unix sockets and TLS. Defaults to TCP.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Users is their number. Defaults to 6, and is not more.
	Users int
	// Bursts is how often all begin to work at the same moment. Defaults to 3.
	Bursts int
	// Tasks is what each user does in a burst, one task of a few calls after the other. Defaults to 4.
	Tasks int
	// Seed decides who does what. Defaults to 0.
	Seed uint64
}

// Work lets the users work and returns all calls in order of their start. Each call is checked to end as it
// must.
func (c Crowd) Work(ctx context.Context) ([]Call, error) {
	users, bursts, tasks := c.Users, c.Bursts, c.Tasks
	if users <= 0 || users > maxUsers {
		users = maxUsers
	}
	if bursts <= 0 {
		bursts = 3
	}
	if tasks <= 0 {
		tasks = 4
	}
	people := make([]*person, users)
	for i := range people {
		people[i] = &person{
			client: newClient(c.Host, c.Dial), number: i,
			rand: rand.New(rand.NewPCG(c.Seed, uint64(i))),
		}
		defer people[i].close()
	}
	err := together(people, func(p *person) error { return p.arrive(ctx) })
	for burst := 0; burst < bursts && err == nil; burst++ {
		err = together(people, func(p *person) error {
			for range tasks {
				if err := p.task(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = together(people, func(p *person) error { return p.logout(ctx) })
	}
	var all []Call
	for _, p := range people {
		all = append(all, p.made...)
	}
	slices.SortFunc(all, func(a, b Call) int { return a.Start.Compare(b.Start) })
	return all, err
}

// together lets all people begin at once and waits for them.
func together(people []*person, do func(*person) error) error {
	errs := make([]error, len(people))
	begin := make(chan struct{})
	var wg sync.WaitGroup
	for i, p := range people {
		wg.Go(func() {
			<-begin
			errs[i] = do(p)
		})
	}
	close(begin)
	wg.Wait()
	return errors.Join(errs...)
}

// person is one user at work.
type person struct {
	*client
	number int
	rand   *rand.Rand
	mine   []int // ids of parties that this user made
	count  int
}

// arrive logs in, the second user after a mistyped password, and asks what a client asks first.
func (p *person) arrive(ctx context.Context) error {
	login := userLogin(p.number)
	if p.number == 1 {
		p.user = login
		if k, _, err := p.call(ctx, "common.db.login", login, map[string]any{"password": "wrong"}, "en"); err != nil || k.Status != http.StatusUnauthorized {
			return errors.Join(err, fmt.Errorf("log in with a wrong password: status %d", k.Status))
		}
	}
	if err := p.login(ctx, login, userPassword(p.number)); err != nil {
		return err
	}
	_, err1 := p.must(ctx, "model.res.user.get_preferences", true)
	_, err2 := p.must(ctx, "model.ir.ui.menu.search_read", []any{[]any{"parent", "=", nil}}, 0, 100, nil, []string{"name", "childs", "favorite"})
	_, err3 := p.must(ctx, "model.party.party.fields_view_get", nil, "tree")
	return errors.Join(err1, err2, err3)
}

// tasks are the things that users do; those that come twice are done more often.
var tasks = []func(*person, context.Context) error{
	(*person).browse, (*person).browse, (*person).open, (*person).open,
	(*person).create, (*person).change, (*person).look, (*person).mistake, (*person).remove,
}

func (p *person) task(ctx context.Context) error {
	p.count++
	return tasks[p.rand.IntN(len(tasks))](p, ctx)
}

var listed = []string{"name", "code", "lang.rec_name", "addresses", "active"}

// browse searches parties as a list does.
func (p *person) browse(ctx context.Context) error {
	domain := []any{[]any{"name", "ilike", fmt.Sprintf("Party %d%%", p.rand.IntN(3))}}
	_, err1 := p.must(ctx, "model.party.party.search_count", domain)
	_, err2 := p.must(ctx, "model.party.party.search_read", domain, 0, 20+p.rand.IntN(60), nil, listed)
	return errors.Join(err1, err2)
}

// open reads a party and its addresses as a form does.
func (p *person) open(ctx context.Context) error {
	id := 1 + p.rand.IntN(300)
	if _, err := p.must(ctx, "model.party.party.read", []int{id}, append([]string{"full_name", "contact_mechanisms", "_timestamp"}, listed...)); err != nil {
		return err
	}
	result, err := p.must(ctx, "model.party.address.search_read", []any{[]any{"party", "=", id}}, 0, 10, nil, []string{"street", "city", "party.rec_name"})
	if err != nil {
		return err
	}
	var found []struct{ ID int }
	if err := json.Unmarshal(result, &found); err != nil {
		return fmt.Errorf("read addresses: %w", err)
	}
	for _, a := range found {
		if _, err := p.must(ctx, "model.party.address.read", []int{a.ID}, []string{"full_address", "country", "subdivision"}); err != nil {
			return err
		}
	}
	return nil
}

// create makes a party with addresses in one call.
func (p *person) create(ctx context.Context) error {
	if _, err := p.must(ctx, "model.party.party.default_get", []string{"active", "lang", "addresses"}); err != nil {
		return err
	}
	name := fmt.Sprintf("New %s-%d", p.user, p.count)
	result, err := p.must(ctx, "model.party.party.create", []any{party(name, 1+p.rand.IntN(20))})
	if err != nil {
		return err
	}
	var ids []int
	if err := json.Unmarshal(result, &ids); err != nil {
		return fmt.Errorf("read the new party: %w", err)
	}
	p.mine = append(p.mine, ids...)
	_, err = p.must(ctx, "model.party.party.read", ids, listed)
	return err
}

// change writes to a party of one's own, if there is one, and nested data with it.
func (p *person) change(ctx context.Context) error {
	if len(p.mine) == 0 {
		return p.create(ctx)
	}
	id := p.mine[p.rand.IntN(len(p.mine))]
	values := map[string]any{
		"name":      fmt.Sprintf("Changed %s-%d", p.user, p.count),
		"addresses": []any{[]any{"create", []any{map[string]any{"street": "Another street"}}}},
	}
	_, err1 := p.must(ctx, "model.party.party.write", []int{id}, values)
	_, err2 := p.must(ctx, "model.party.party.read", []int{id}, listed)
	return errors.Join(err1, err2)
}

// remove deletes a party of one's own, if there is one.
func (p *person) remove(ctx context.Context) error {
	if len(p.mine) == 0 {
		return p.look(ctx)
	}
	id := p.mine[len(p.mine)-1]
	p.mine = p.mine[:len(p.mine)-1]
	_, err := p.must(ctx, "model.party.party.delete", []int{id})
	return err
}

// look asks for actions and counts, as a client does when a window opens.
func (p *person) look(ctx context.Context) error {
	_, err1 := p.must(ctx, "model.ir.action.keyword.get_keyword", "form_relate", []any{"party.party", -1})
	_, err2 := p.must(ctx, "model.ir.action.act_window.search_read", []any{[]any{"res_model", "=", "party.party"}}, 0, 10, nil, []string{"name", "res_model", "views"})
	_, err3 := p.must(ctx, "model.ir.attachment.search_count", []any{[]any{"resource", "=", fmt.Sprintf("party.party,%d", 1+p.rand.IntN(300))}})
	return errors.Join(err1, err2, err3)
}

// mistake makes calls that the server refuses.
func (p *person) mistake(ctx context.Context) error {
	return errors.Join(
		p.refused(ctx, http.StatusForbidden, "model.party.party.no_such_method"),
		p.refused(ctx, http.StatusOK, "model.no.such.model.read", []int{1}, []string{"name"}),
		p.refused(ctx, http.StatusOK, "model.party.party.read", []int{1 << 30}, []string{"name"}),
		p.refused(ctx, http.StatusOK, "model.party.address.create", []any{map[string]any{"street": "nobody's"}}),
	)
}
