// Package codec reads and writes API objects in the media types of the
// Kubernetes API: JSON, YAML and protobuf.
//
// [Codec] decodes request bodies and encodes objects; [Negotiate] reads Accept
// headers. The functions of envelope.go put single objects, lists and watch
// events together from bytes that are there already, so that the same encoded
// object serves every answer that contains it.
package codec
