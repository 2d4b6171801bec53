package impersonation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
)

// many is from how many on it is asked first whether all are allowed.
const many = 4

func (q question) groups(names []string) error {
	if len(names) == 0 {
		return nil
	}
	if q.mode.constrained() {
		switch {
		case slices.Contains(names, ""):
			return q.Forbidden(q.attributes("groups", "", ""), "impersonating the empty string group is not allowed")
		case slices.Contains(names, user.SystemPrivilegedGroup):
			return q.Forbidden(q.attributes("groups", "", user.SystemPrivilegedGroup), "impersonating the system:masters group is not allowed")
		case len(names) >= many && q.ask("groups", "", "*") == nil:
			return nil
		}
	}
	for _, name := range names {
		if err := q.ask("groups", "", name); err != nil {
			return err
		}
	}
	return nil
}

func (q question) extra(extra map[string][]string) error {
	if len(extra) == 0 {
		return nil
	}
	keys := slices.Sorted(maps.Keys(extra))
	if q.mode.constrained() {
		count := 0
		for _, key := range keys {
			if err := checkExtra(key, extra[key]); err != nil {
				return q.Forbidden(q.attributes("userextras", "", ""), err.Error())
			}
			count += max(1, len(extra[key]))
		}
		if count >= many && q.ask("userextras", "*", "*") == nil {
			return nil
		}
	}
	for _, key := range keys {
		for _, value := range extra[key] {
			if err := q.ask("userextras", key, value); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkExtra(key string, values []string) error {
	if key == "" {
		return fmt.Errorf("impersonating the empty string key in extra is not allowed")
	}
	if errs := utilvalidation.IsDomainPrefixedPath(field.NewPath("extra", "key"), key); len(errs) > 0 {
		return fmt.Errorf("impersonating an invalid key in extra is not allowed: %w", errs.ToAggregate())
	}
	switch {
	case key != strings.ToLower(key):
		return fmt.Errorf("impersonating a non-lowercase key in extra is not allowed: %q", key)
	case len(values) == 0:
		return fmt.Errorf("impersonating empty values in extra is not allowed")
	case slices.Contains(values, ""):
		return fmt.Errorf("impersonating the empty string value in extra is not allowed")
	}
	return nil
}
