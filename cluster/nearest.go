package cluster

import "strings"

// Nearest is the name that want was probably meant to be; empty if none is close.
func Nearest(want string, names []string) string {
	best, distance := "", max(2, len(want)/3)+1
	for _, name := range names {
		d := editDistance(strings.ToLower(want), strings.ToLower(name))
		if strings.Contains(strings.ToLower(name), strings.ToLower(want)) {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = name, d
		}
	}
	return best
}

// editDistance counts the letters to insert, delete or replace.
func editDistance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		for j := range y {
			cost := diagonal
			if x[i] != y[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(y)]
}
