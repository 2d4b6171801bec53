// Package volume makes the volumes of pods on disk.
//
// What a volume of configuration holds is worked out without effects, as a
// [Payload], and written by [Write] so that a reader in a container sees
// either all of the old or all of the new. The other functions make, check,
// hand over and take away directories and mounts. What the volumes refer to in
// the API is looked up elsewhere.
package volume
