package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/perfd/perfd/capture"
	"github.com/perfd/perfd/figures"
	"github.com/perfd/perfd/replay/load"
)

// loadFacts is what a load file holds, added up.
type loadFacts struct {
	calls, failed, sendable int64
	length, time            time.Duration
	sessions, users         map[string]bool
	methods                 map[string]*methodFacts
	lacks                   map[string]int64
}

type methodFacts struct {
	name   string
	calls  int64
	time   time.Duration
	minted int64
}

// showMethods bounds the methods that are printed, and knowMethods those that are told apart.
const (
	showMethods = 20
	knowMethods = 20000
)

// showLoad prints what is in a load file.
func showLoad(t terminal, path string) error {
	r, done, err := openLoad(path)
	if err != nil {
		return err
	}
	defer done()
	facts, err := countLoad(r)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err != nil && !errors.Is(err, load.ErrCutOff) {
		return loadError(err)
	}
	if said := facts.print(t.out, strings.Map(printable, path), r.Header()); said != nil {
		return said
	}
	return loadError(err)
}

// loadError adds what a person can do about an error.
func loadError(err error) error {
	var e *load.Error
	if !errors.As(err, &e) {
		return err
	}
	if errors.Is(err, load.ErrCutOff) {
		err = cutOff{err}
	}
	return hinted{err, e.Hint}
}

// cutOff is the error of a load that ends early: what came before was shown.
type cutOff struct{ error }

// Is says that the result is partial, which has an exit status of its own.
func (cutOff) Is(target error) bool { return target == capture.ErrPartial }

func countLoad(r *load.Reader) (*loadFacts, error) {
	o := &loadFacts{sessions: map[string]bool{}, users: map[string]bool{}, methods: map[string]*methodFacts{}, lacks: map[string]int64{}}
	for {
		c, err := r.Next()
		if err != nil {
			for id := range o.sessions {
				if s, _ := r.Session(id); s.Login != "" {
					o.users[s.Login] = true
				}
			}
			return o, err
		}
		o.add(&c)
	}
}

func (o *loadFacts) add(c *load.Call) {
	o.calls++
	o.length = max(o.length, c.At+c.Duration)
	o.time += c.Duration
	o.sessions[c.Session] = true
	if c.Error != "" {
		o.failed++
	}
	if c.Args != nil || c.Kwargs != nil || c.Params != nil || c.Query != nil || c.Fields != nil {
		o.sendable++
	}
	for word := range strings.SplitSeq(c.Lacks, ", ") {
		if word != "" && len(o.lacks) < showMethods {
			o.lacks[word]++
		}
	}
	name := methodName(c)
	m := o.methods[name]
	if m == nil {
		if len(o.methods) >= knowMethods {
			name = "others"
		}
		if m = o.methods[name]; m == nil {
			m = &methodFacts{name: name}
			o.methods[name] = m
		}
	}
	m.calls++
	m.time += c.Duration
	for _, one := range c.Minted {
		m.minted += int64(len(one.IDs))
	}
}

func methodName(c *load.Call) string {
	switch {
	case c.Model != "":
		return c.Model + "." + c.Method
	case c.About != "":
		return c.About
	case c.Method != "":
		return strings.TrimPrefix(c.Service+"."+c.Method, ".")
	}
	return strings.TrimSpace(c.Verb + " " + c.Path)
}

func (o *loadFacts) print(out io.Writer, path string, h load.Header) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\n\n", path)
	for _, row := range [][2]string{
		{"product", h.Product}, {"database", h.Database}, {"server", h.Server}, {"recorded", strings.Join(h.Sources, ", ")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", row[0], cmp.Or(row[1], "not known"))
	}
	if h.DatabaseUUID != "" {
		fmt.Fprintf(w, "database uuid\t%s\n", h.DatabaseUUID)
	}
	if !h.Start.IsZero() {
		fmt.Fprintf(w, "begins\t%s\n", h.Start.UTC().Format(time.RFC3339))
	}
	fmt.Fprintf(w, "lasts\t%s\n", o.length.Round(time.Millisecond))
	fmt.Fprintf(w, "calls\t%d, %d with an error\n", o.calls, o.failed)
	fmt.Fprintf(w, "sessions\t%d, of %s\n", len(o.sessions), figures.Plural(int64(len(o.users)), "user"))
	if h.Arguments {
		fmt.Fprintf(w, "arguments\tof %s\n", figures.Plural(o.sendable, "call"))
	} else {
		fmt.Fprintf(w, "arguments\tnone: it can be counted and asked what-if, not sent\n")
	}
	if h.Answers {
		fmt.Fprintf(w, "answers\tkept\n")
	}
	fmt.Fprintln(w)
	list := slices.SortedFunc(maps.Values(o.methods), func(a, b *methodFacts) int {
		return cmp.Or(cmp.Compare(b.time, a.time), strings.Compare(a.name, b.name))
	})
	fmt.Fprintf(w, "calls\tseconds\tmakes\tmethod\n")
	for _, m := range list[:min(len(list), showMethods)] {
		fmt.Fprintf(w, "%d\t%.3f\t%d\t%s\n", m.calls, m.time.Seconds(), m.minted, m.name)
	}
	if more := len(list) - showMethods; more > 0 {
		fmt.Fprintf(w, "\t\t\tand %d more\n", more)
	}
	if len(h.Lacks)+len(o.lacks) > 0 {
		fmt.Fprintf(w, "\nIt lacks:\n")
	}
	for _, s := range h.Lacks {
		fmt.Fprintf(w, "- %s\n", s)
	}
	for _, word := range slices.Sorted(maps.Keys(o.lacks)) {
		fmt.Fprintf(w, "- %s: %s\n", word, figures.Plural(o.lacks[word], "call"))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
