package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// longInput is the size from which reading is worth a progress bar.
const longInput = 32 << 20

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// hasColor reports whether w is a terminal that shows colours (no-color.org).
func hasColor(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// sizeOf returns the columns and rows of a terminal, 0 if w is none.
func sizeOf(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

// showProgress draws a bar on w until the returned function is called. progress is called from another
// goroutine. Nothing is drawn unless w is a terminal and the input is long.
func showProgress(w io.Writer, name string, progress func() (done, total int64)) (stop func()) {
	_, total := progress()
	if total < longInput || !isTerminal(w) {
		return func() {}
	}
	bar := newBar(w, name, total)
	return redraw(bar, 100*time.Millisecond, func() {
		done, _ := progress()
		_ = bar.Set64(done)
	})
}

// redraw calls draw at intervals, on a goroutine of its own, until stop, which clears the bar.
func redraw(bar *progressbar.ProgressBar, every time.Duration, draw func()) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				_ = bar.Clear() // what the terminal does not show is no loss
				return
			case <-tick.C:
				draw()
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

// newBar starts a bar's clock: it would start with the first bytes told of, and take them for the work of an instant.
func newBar(w io.Writer, name string, total int64) *progressbar.ProgressBar {
	bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(name),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionSetPredictTime(true))
	bar.StartWithoutRender()
	return bar
}
