package podsecurity

import (
	"slices"
	"strings"

	"k8s.io/pod-security-admission/api"
)

// parse reads "level" or "level:version"; empty is privileged.
func parse(text string) (api.LevelVersion, error) {
	lv := api.LevelVersion{Level: api.LevelPrivileged, Version: api.LatestVersion()}
	if text == "" {
		return lv, nil
	}
	level, version, versioned := strings.Cut(text, ":")
	var err error
	if lv.Level, err = api.ParseLevel(level); err == nil && versioned {
		lv.Version, err = api.ParseVersion(version)
	}
	return lv, err
}

// contains reports whether a name, which may not be empty, is in a list.
func contains(list []string, name string) bool {
	return name != "" && slices.Contains(list, name)
}
