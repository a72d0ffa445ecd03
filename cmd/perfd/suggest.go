package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// suggestFlag words which flag was probably meant by an unknown one; empty if none comes near.
func suggestFlag(cmd *cobra.Command, err error) string {
	_, name, unknown := strings.Cut(err.Error(), "unknown flag: --")
	if !unknown {
		return ""
	}
	best, distance := "", 3
	for _, word := range strings.Fields(cmd.Flags().FlagUsages()) {
		flag, long := strings.CutPrefix(word, "--")
		if !long {
			continue
		}
		d := editDistance(name, flag)
		if strings.HasPrefix(flag, name) {
			d = 1
		}
		if d < distance {
			best, distance = flag, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean --" + best + "?"
}

// editDistance is the number of bytes to insert, delete or replace to make b of a.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
