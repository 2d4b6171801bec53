// Package owned is what controllers of objects with children share: claiming the
// objects a selector names (adopting orphans, letting go of those that match no
// longer), making and deleting pods from a template, remembering which creations and
// deletions the caches have yet to show, and reading the state of pods.
package owned
