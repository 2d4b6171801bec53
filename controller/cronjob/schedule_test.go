package cronjob

import (
	"testing"
	"time"
)

func TestNext(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	const form = "2006-01-02 15:04"
	for _, test := range []struct{ schedule, from, want string }{
		{"* * * * *", "2026-01-01 00:00", "2026-01-01 00:01"},
		{"*/15 * * * *", "2026-01-01 00:16", "2026-01-01 00:30"},
		{"5/20 * * * *", "2026-01-01 00:26", "2026-01-01 00:45"},
		{"0 9-17/4 * * *", "2026-01-01 10:00", "2026-01-01 13:00"},
		{"0 0 31 * *", "2026-02-01 00:00", "2026-03-31 00:00"},
		{"0 0 29 2 *", "2026-01-01 00:00", "2028-02-29 00:00"},
		{"0 0 30 2 *", "2026-01-01 00:00", ""},
		{"0 0 13 * fri", "2026-01-01 00:00", "2026-01-02 00:00"}, // either will do
		{"0 0 * * mon-wed", "2026-01-01 00:00", "2026-01-05 00:00"},
		{"0 0 1 JAN *", "2026-01-01 00:00", "2027-01-01 00:00"},
		{"@hourly", "2026-01-01 00:00", "2026-01-01 01:00"},
		{"@every 90m", "2026-01-01 00:00", "2026-01-01 01:30"},
		{"TZ=Europe/Berlin 0 4 * * *", "2026-07-01 00:00", "2026-07-01 02:00"},
		{"30 2 * * *", "2026-03-28 12:00", "2026-03-29 02:30"},
	} {
		s, err := parse(test.schedule, time.UTC)
		if err != nil {
			t.Errorf("%s: %v", test.schedule, err)
			continue
		}
		from, _ := time.Parse(form, test.from)
		got := s.next(from)
		if (test.want == "") != got.IsZero() || test.want != "" && got.UTC().Format(form) != test.want {
			t.Errorf("%s after %s: %s, want %s", test.schedule, test.from, got.UTC().Format(form), test.want)
		}
	}
	// The night the clocks go forward, 02:30 does not exist.
	s, err := parse("30 2 * * *", berlin)
	if err != nil {
		t.Fatal(err)
	}
	got := s.next(time.Date(2026, 3, 29, 0, 0, 0, 0, berlin))
	if want := time.Date(2026, 3, 30, 2, 30, 0, 0, berlin); !got.Equal(want) {
		t.Errorf("%s, want %s", got, want)
	}
	for _, bad := range []string{"", "* * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "x * * * *", "* * * * 7", "TZ=No/Where * * * * *", "@never"} {
		if _, err := parse(bad, time.UTC); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestMissed(t *testing.T) {
	s, err := parse("*/10 * * * *", time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if n, last := s.missed(from, from.Add(35*time.Minute), 100); n != 3 || !last.Equal(from.Add(30*time.Minute)) {
		t.Errorf("%d, the last at %s", n, last)
	}
	if n, last := s.missed(from, from.Add(1000*time.Hour+5*time.Minute), 100); n <= 100 || !last.Equal(from.Add(1000*time.Hour)) {
		t.Errorf("far behind: %d, the last at %s", n, last)
	}
	if n, _ := s.missed(from, from.Add(5*time.Minute), 100); n != 0 {
		t.Errorf("%d before the first", n)
	}
}
