package replay

import (
	"context"
	"errors"
	"io"
)

// Judge refuses a target as Run would before it sends its first call, and sends none: it logs one user in and asks whose
// database it is. Of several targets all can be judged so before the first of them is written to. A runner that judged runs
// nothing.
func (r *Runner) Judge(ctx context.Context, src Source) error {
	if r.header, r.judging = src.Header(), true; !r.header.Arguments {
		return nil // which Run tells
	}
	r.product = r.header.Product
	r.prepareRewriter()
	r.ctx, r.stop = context.WithCancel(ctx)
	defer r.closeSessions()
	if r.cfg.Confirm != "" {
		return r.judgeTarget(ctx, nil)
	}
	first, err := r.fill(ctx, src)
	defer r.discard(first)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	for _, it := range first {
		if it.session.nobody() {
			continue
		}
		it.session.logIn(&it.call)
		select {
		case <-it.session.loggedIn:
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // whoever ended it knows
		}
		if it.session.failure == nil {
			return r.judgeTarget(ctx, it.session)
		}
		break
	}
	for _, it := range first { // somebody else may do
		it.session.logIn(&it.call)
	}
	return r.prepare(ctx, first)
}
