// Package logs reads the log files that container runtimes write for the
// kubelet, and rotates them.
//
// Each line of such a file is a time, the stream it came by ("stdout" or
// "stderr"), a tag, and the text; tag P marks a part of a line whose rest
// follows. A [Filter] turns this into what a user asked for, wherever it comes
// from; [Tail] reads a file, and follows it as it grows and is rotated;
// [Rotate] moves a file away that has become too large.
package logs
