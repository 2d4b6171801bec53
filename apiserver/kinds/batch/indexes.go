package batch

import (
	"fmt"
	"strconv"
	"strings"
)

// indexes are ranges of a job's indexes, both ends included, in their order.
type indexes [][2]int32

// parseIndexes reads a list such as 1,3-5,7 of indexes below completions.
func parseIndexes(s string, completions int32) (indexes, error) {
	if s == "" {
		return nil, nil
	}
	var list indexes
	for part := range strings.SplitSeq(s, ",") {
		r, err := parseRange(part, completions)
		if err != nil {
			return nil, err
		}
		if n := len(list); n > 0 && list[n-1][1] >= r[0] {
			return nil, fmt.Errorf("non-increasing order, previous: %d, current: %d", list[n-1][1], r[0])
		}
		list = append(list, r)
	}
	return list, nil
}

// validIndexes reads those ranges of a list that can be read.
func validIndexes(s string, completions int32) (list indexes) {
	for part := range strings.SplitSeq(s, ",") {
		if r, err := parseRange(part, completions); err == nil {
			list = append(list, r)
		}
	}
	return list
}

func parseRange(s string, completions int32) (r [2]int32, err error) {
	ends := strings.Split(s, "-")
	if len(ends) > 2 {
		return r, fmt.Errorf("the fragment %q violates the requirement that an index interval can have at most two parts separated by '-'", s)
	}
	for i, end := range ends {
		n, err := strconv.Atoi(end)
		if err != nil {
			return r, fmt.Errorf("cannot convert string to integer for index: %q", end)
		}
		if n >= int(completions) {
			return r, fmt.Errorf("too large index: %q", end)
		}
		r[i] = int32(n)
	}
	if len(ends) == 1 {
		r[1] = r[0]
	} else if r[0] >= r[1] {
		return r, fmt.Errorf("non-increasing order, previous: %d, current: %d", r[0], r[1])
	}
	return r, nil
}

func (x indexes) total() (n int32) {
	for _, r := range x {
		n += r[1] - r[0] + 1
	}
	return n
}

// overlap returns the first index that both lists have.
func (x indexes) overlap(y indexes) (int32, bool) {
	for len(x) > 0 && len(y) > 0 {
		if from := max(x[0][0], y[0][0]); from <= min(x[0][1], y[0][1]) {
			return from, true
		}
		if x[0][0] <= y[0][0] {
			x = x[1:]
		} else {
			y = y[1:]
		}
	}
	return 0, false
}
