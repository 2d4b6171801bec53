package cronjob

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// schedule is a parsed cron expression.
type schedule struct {
	minute, hour, day, month, weekday uint64 // bit i is set where i matches
	// anyDay and anyWeekday: the field was * or ?, so that the other decides alone.
	anyDay, anyWeekday bool
	every              time.Duration // of "@every d"; then nothing else counts
	zone               *time.Location
}

// parse reads a schedule of five fields, or a name such as @daily. A zone before the
// fields, as in "TZ=Europe/Berlin 0 4 * * *", replaces the one given.
func parse(text string, zone *time.Location) (schedule, error) {
	s := schedule{zone: zone}
	text = strings.TrimSpace(text)
	for _, prefix := range []string{"TZ=", "CRON_TZ="} {
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok {
			continue
		}
		name, fields, _ := strings.Cut(rest, " ")
		loaded, err := time.LoadLocation(name)
		if err != nil {
			return s, fmt.Errorf("time zone %q: %w", name, err)
		}
		s.zone, text = loaded, strings.TrimSpace(fields)
		break
	}
	if rest, ok := strings.CutPrefix(text, "@every "); ok {
		every, err := time.ParseDuration(strings.TrimSpace(rest))
		if err != nil {
			return s, fmt.Errorf("schedule %q: %w", text, err)
		}
		s.every = max(time.Second, every.Truncate(time.Second))
		return s, nil
	}
	text = unnamed(text)
	fields := strings.Fields(text)
	if len(fields) != 5 {
		return s, fmt.Errorf("schedule %q has %d fields, want 5", text, len(fields))
	}
	var err error
	for i, field := range []struct {
		bits        *uint64
		first, last int
		names       []string
	}{
		{&s.minute, 0, 59, nil},
		{&s.hour, 0, 23, nil},
		{&s.day, 1, 31, nil},
		{&s.month, 1, 12, []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
		{&s.weekday, 0, 6, []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
	} {
		if *field.bits, err = parseField(fields[i], field.first, field.last, field.names); err != nil {
			return s, fmt.Errorf("schedule %q: %w", text, err)
		}
	}
	s.anyDay = fields[2][0] == '*' || fields[2] == "?"
	s.anyWeekday = fields[4][0] == '*' || fields[4] == "?"
	return s, nil
}

// unnamed replaces the short form of a schedule by its fields.
func unnamed(text string) string {
	switch text {
	case "@yearly", "@annually":
		return "0 0 1 1 *"
	case "@monthly":
		return "0 0 1 * *"
	case "@weekly":
		return "0 0 * * 0"
	case "@daily", "@midnight":
		return "0 0 * * *"
	case "@hourly":
		return "0 * * * *"
	}
	return text
}

// parseField reads a list of values, ranges and steps.
func parseField(text string, first, last int, words []string) (uint64, error) {
	var bits uint64
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n <= 0 {
				return 0, fmt.Errorf("%q is no step", stepText)
			}
			step = n
		}
		from, to := first, last
		if span != "*" && span != "?" {
			low, high, isRange := strings.Cut(span, "-")
			var err error
			if from, err = parseValue(low, words); err != nil {
				return 0, err
			}
			switch {
			case isRange:
				if to, err = parseValue(high, words); err != nil {
					return 0, err
				}
			case !stepped:
				to = from
			}
		}
		if from < first || to > last || from > to {
			return 0, fmt.Errorf("%q is not within %d-%d", part, first, last)
		}
		for i := from; i <= to; i += step {
			bits |= 1 << i
		}
	}
	return bits, nil
}

func parseValue(text string, words []string) (int, error) {
	for i, word := range words {
		if word != "" && strings.EqualFold(word, text) {
			return i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is no value", text)
	}
	return n, nil
}

func (s schedule) dayMatches(t time.Time) bool {
	day := s.day&(1<<t.Day()) != 0
	weekday := s.weekday&(1<<int(t.Weekday())) != 0
	if s.anyDay || s.anyWeekday {
		return day && weekday
	}
	return day || weekday
}

// horizon is how far ahead a schedule is searched; what does not come within it, such
// as the 30th of February, never does.
const horizon = 5 * 366 * 24 * time.Hour

// next is the first moment after t that matches, zero if there is none.
func (s schedule) next(t time.Time) time.Time {
	if s.every > 0 {
		return t.Add(s.every).Truncate(time.Second)
	}
	end := t.Add(horizon)
	t = t.In(s.zone).Truncate(time.Minute).Add(time.Minute)
	for t.Before(end) {
		switch {
		case s.month&(1<<int(t.Month())) == 0:
			t = forward(t, time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, s.zone))
		case !s.dayMatches(t):
			t = forward(t, time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, s.zone))
		case s.hour&(1<<t.Hour()) == 0:
			t = forward(t, t.Add(time.Duration(60-t.Minute())*time.Minute))
		case s.minute&(1<<t.Minute()) == 0:
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

// forward guards against a change of clocks that would lead backwards.
func forward(from, to time.Time) time.Time {
	if !to.After(from) {
		return from.Add(time.Hour)
	}
	return to
}

// missed is how many moments after from, up to now, match, counted up to limit, and
// the last of them.
func (s schedule) missed(from, now time.Time, limit int) (n int, last time.Time) {
	for t := s.next(from); !t.IsZero() && !t.After(now); t = s.next(t) {
		n, last = n+1, t
		if n > limit && s.every == 0 {
			// Far behind: go on shortly before now; how many were missed matters no more.
			if near := now.Add(-s.gap(t)); near.After(t) {
				t = near
			}
		}
		if n > limit && s.every > 0 {
			skip := now.Sub(t).Truncate(s.every)
			return n, t.Add(skip)
		}
	}
	return n, last
}

// gap is the time between t and the moment after it, doubled.
func (s schedule) gap(t time.Time) time.Duration {
	after := s.next(t)
	if after.IsZero() {
		return 0
	}
	return 2 * after.Sub(t)
}
