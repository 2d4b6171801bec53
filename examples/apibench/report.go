package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// table has a row per figure and a column per target.
type table struct {
	rows    []string
	columns []*column
}

// column are the figures of a target, by row.
type column struct {
	table   *table
	name    string
	figures map[string]string
}

func (t *table) column(name string) *column {
	c := &column{table: t, name: name, figures: map[string]string{}}
	t.columns = append(t.columns, c)
	return c
}

// set notes a figure; rows stand in the order in which they were first set.
func (c *column) set(row, format string, args ...any) {
	if !slices.Contains(c.table.rows, row) {
		c.table.rows = append(c.table.rows, row)
	}
	c.figures[row] = fmt.Sprintf(format, args...)
}

// write prints the table in Markdown.
func (t *table) write(w io.Writer) error {
	if len(t.rows) == 0 {
		return nil
	}
	width := 0
	for _, r := range t.rows {
		width = max(width, len([]rune(r)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| %-*s |", width, "")
	for _, c := range t.columns {
		fmt.Fprintf(&b, " %s |", c.name)
	}
	b.WriteString("\n|" + strings.Repeat(" --- |", len(t.columns)+1) + "\n")
	for _, r := range t.rows {
		fmt.Fprintf(&b, "| %-*s |", width, r)
		for _, c := range t.columns {
			fmt.Fprintf(&b, " %s |", c.figures[r])
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// latencies are how long single requests took, or events were under way.
type latencies []time.Duration

// at is the latency that a part of them, between 0 and 1, does not exceed.
func (l latencies) at(part float64) time.Duration {
	if len(l) == 0 {
		return 0
	}
	return l[min(len(l)-1, int(part*float64(len(l))))]
}

// String is the median and the 99th percentile; it sorts.
func (l latencies) String() string {
	slices.Sort(l)
	return fmt.Sprintf("p50 %s, p99 %s", short(l.at(0.5)), short(l.at(0.99)))
}

// short is a duration with three digits at most.
func short(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%.0f µs", float64(d)/float64(time.Microsecond))
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// size is a number of bytes for a reader.
func size(n int64) string {
	switch {
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 100<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
}

// rate is how often something happened in a second.
func rate(n int, took time.Duration) string {
	r := float64(n) / took.Seconds()
	if r < 100 {
		return fmt.Sprintf("%.1f/s", r)
	}
	return fmt.Sprintf("%.0f/s", r)
}
