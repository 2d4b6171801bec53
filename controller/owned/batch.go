package owned

import "sync"

// SlowStart calls do n times in batches of 1, 2, 4 and so on, each batch at once, and
// stops after the batch in which a call failed: where all calls would fail for one
// reason, few are made. It returns how many succeeded and the first error.
func SlowStart(n int, do func(i int) error) (int, error) {
	done, succeeded := 0, 0
	for size := min(1, n); size > 0; size = min(2*size, n-done) {
		ok, err := AllAtOnce(size, func(i int) error { return do(done + i) })
		succeeded += ok
		if err != nil {
			return succeeded, err
		}
		done += size
	}
	return succeeded, nil
}

// AllAtOnce calls do n times concurrently. It returns how many calls succeeded and the
// error of the lowest index that failed.
func AllAtOnce(n int, do func(i int) error) (int, error) {
	if n == 1 {
		if err := do(0); err != nil {
			return 0, err
		}
		return 1, nil
	}
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	succeeded := 0
	var first error
	for _, err := range errs {
		if err == nil {
			succeeded++
		} else if first == nil {
			first = err
		}
	}
	return succeeded, first
}
