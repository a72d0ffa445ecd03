package pglog

import "strings"

// header reads a line's prefix. If none is configured and the one in use does not match, the usual ones are
// tried: a log may begin in the middle of an entry, and the first lines may be of processes without a user.
func (d *Decoder) header(line []byte, e *entry) bool {
	return d.headerAt(line, e) > 0
}

func (d *Decoder) headerAt(line []byte, e *entry) int {
	*e = entry{}
	if d.prefix != nil {
		if at, ok := d.prefix.match(line, e, &d.clock); ok {
			d.named(e)
			return at
		}
	}
	if d.cfg.Prefix != "" || len(line) == 0 || line[0] == ' ' {
		return 0
	}
	for _, p := range usual {
		*e = entry{}
		if at, ok := p.match(line, e, &d.clock); ok {
			d.prefix = p
			d.stats.Prefix = p.source
			if e.resolution > 1e6 {
				d.stats.Prefix = strings.ReplaceAll(p.source, "%m", "%t")
			}
			d.named(e)
			return at
		}
	}
	return 0
}

// named tells what names the prefix holds. One that was guessed may hold none after its process id, as
// PostgreSQL's own default: then it does not tell who serves a client.
func (d *Decoder) named(e *entry) {
	e.hasUser = d.prefix.hasUser && (!e.stopped || !d.prefix.guessed)
}

// stderrLine takes a line of a log in stderr form. Lines of one entry after the first begin with a tab.
func (d *Decoder) stderrLine(line []byte) {
	e := &d.entry
	if len(line) > 0 && line[0] == '\t' {
		switch {
		case !d.open:
			d.stats.Unread++
		case e.part != nil:
			d.extend(e, "\n", line[1:])
		}
		return
	}
	var head entry
	at := d.headerAt(line, &head)
	if at == 0 {
		// A server that runs without its own collector mixes in what other programs write.
		d.stats.Unread++
		if d.open {
			e.part = nil
		}
		return
	}
	l, part, text := severity(line[at:])
	if part != 0 {
		if !d.open || head.pid != e.pid {
			d.stats.Unread++
			return
		}
		switch part {
		case 'D':
			e.part = &e.detail
		case 'C':
			e.part = &e.context
		case 'S':
			e.part = &e.query
		default:
			e.part = nil
			return
		}
		d.extend(e, "", text)
		return
	}
	d.finish()
	e.reset()
	d.open = true
	e.at, e.resolution, e.level, e.pid, e.hasUser = head.at, head.resolution, l, head.pid, head.hasUser
	e.user, e.db = append(e.user, head.user...), append(e.db, head.db...)
	e.app, e.client = append(e.app, head.app...), append(e.client, head.client...)
	e.id, e.vxid, e.state = append(e.id, head.id...), append(e.vxid, head.vxid...), append(e.state, head.state...)
	if len(text) > 7 && text[5] == ':' && text[6] == ' ' && validState(text[:5]) { // log_error_verbosity = verbose
		e.state, text = append(e.state[:0], text[:5]...), text[7:]
	}
	e.part = &e.message
	d.extend(e, "", text)
}

// extend adds to the part of an entry that is being read, within the bound.
func (d *Decoder) extend(e *entry, between string, text []byte) {
	if len(*e.part)+len(between)+len(text) >= d.cfg.MaxEntry {
		e.cut = true
		text = text[:max(0, d.cfg.MaxEntry-len(*e.part)-len(between))]
	}
	if len(*e.part) < d.cfg.MaxEntry {
		*e.part = append(append(*e.part, between...), text...)
	}
}

func validState(b []byte) bool {
	if len(b) != 5 {
		return false
	}
	for _, c := range b {
		if !digit(c) && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}
