// Package load holds the load file: captured sessions and calls in one portable, compressed stream that a replay can
// send again, that what-if questions can be asked of, and that two answers can be compared by.
//
// A Writer takes sessions and calls as they come and writes them redacted; a Reader gives them back one at a time.
// Both hold memory for one line, however long the file, and a Reader believes nothing that the file says: every length,
// depth and number is bounded, and what is wrong is told with the file, the line and what to do. docs/load-format.md
// has the format.
package load
