package replay

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/perfd/perfd/client"
)

// A log-in is the run's own, so it is tried again where the server's transactions got into each other's way: Odoo writes
// its own address at each administrator's log-in under another one, and all of a load's log-ins come at once.
const (
	logInAttempts = 6
	logInPause    = 100 * time.Millisecond
)

// logIn logs a session in. Few do so at the same time.
func (r *Runner) logIn(k *client.Client) error {
	r.logins <- struct{}{}
	defer func() { <-r.logins }()
	for attempt := 1; ; attempt++ {
		_, err := k.Login(r.ctx)
		if attempt == logInAttempts || !errors.Is(err, client.KindSerialization) && !errors.Is(err, client.KindLockTimeout) {
			return err
		}
		select {
		case <-time.After(time.Duration(attempt) * (logInPause/2 + rand.N(logInPause))):
		case <-r.ctx.Done():
			return err
		}
	}
}
