// Package imagebuild makes container images out of files, without a builder, a
// base image or the network: for programs that run themselves as a container,
// and for tests. The same input makes the same image, to the digest.
package imagebuild
