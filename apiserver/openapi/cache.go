package openapi

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"sync"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
)

// maxDocuments bounds a Cache: five servers that have nothing in common.
const maxDocuments = 256

// Cache keeps documents, so that servers that serve the same share them. The
// zero value is ready; it may be used by any number of servers at a time.
type Cache struct {
	mu   sync.Mutex
	docs map[string]*document
}

// document returns the document with a key, new or kept.
func (c *Cache) document(key string, build func() ([]byte, error), encode func([]byte) ([]byte, error)) *document {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.docs[key]; d != nil {
		return d
	}
	if c.docs == nil || len(c.docs) >= maxDocuments {
		c.docs = map[string]*document{} // servers go on with those they have
	}
	d := newDocument(key, build, encode)
	c.docs[key] = d
	return d
}

// document is one document in both encodings, compressed, each made when it is
// first asked for.
type document struct {
	tag            string
	json, protobuf func() ([]byte, error)
}

func newDocument(key string, build func() ([]byte, error), encode func([]byte) ([]byte, error)) *document {
	d := &document{tag: key}
	d.json = sync.OnceValues(func() ([]byte, error) {
		data, err := build()
		if err != nil {
			return nil, err
		}
		return compress(data)
	})
	d.protobuf = sync.OnceValues(func() ([]byte, error) {
		packed, err := d.json()
		if err != nil {
			return nil, err
		}
		data, err := decompress(packed)
		if err != nil {
			return nil, err
		}
		if data, err = encode(data); err != nil {
			return nil, fmt.Errorf("openapi: encoding as protobuf: %w", err)
		}
		return compress(data)
	})
	return d
}

func protobuf2(data []byte) ([]byte, error) {
	doc, err := openapi_v2.ParseDocument(data)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(doc)
}

func protobuf3(data []byte) ([]byte, error) {
	doc, err := openapi_v3.ParseDocument(data)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(doc)
}

func compress(data []byte) ([]byte, error) {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return bytes.Clone(b.Bytes()), nil
}

func decompress(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
