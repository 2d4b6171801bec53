package discovery

import (
	"bytes"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	apidiscoveryv2 "k8s.io/api/apidiscovery/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/munnerz/goautoneg"

	"github.com/keelson-project/keelson/apiserver/codec"
)

// Has reports whether a group and version is served.
func (c *Catalog) Has(gv schema.GroupVersion) bool { return c.lists[gv] != nil }

// Serve answers for /api, /apis and what is directly below, if path is such
// and found; otherwise it returns false. Address is what clients reach the
// server by, for /api. An error is to be answered by the caller.
func (c *Catalog) Serve(w http.ResponseWriter, r *http.Request, enc *codec.Codec, address string) (found bool, err error) {
	path := strings.Trim(r.URL.Path, "/")
	var obj runtime.Object
	parts := strings.Split(path, "/")
	switch {
	case path == "api":
		if media, ok := wantsAll(r); ok {
			serveAll(w, r, enc, c.core, media)
			return true, nil
		}
		obj = &metav1.APIVersions{
			TypeMeta: metav1.TypeMeta{Kind: "APIVersions"}, Versions: []string{"v1"},
			ServerAddressByClientCIDRs: []metav1.ServerAddressByClientCIDR{{ClientCIDR: "0.0.0.0/0", ServerAddress: address}},
		}
	case path == "apis":
		if media, ok := wantsAll(r); ok {
			serveAll(w, r, enc, c.named, media)
			return true, nil
		}
		obj = &metav1.APIGroupList{TypeMeta: metav1.TypeMeta{Kind: "APIGroupList", APIVersion: "v1"}, Groups: c.groups}
	case parts[0] == "api" && len(parts) == 2:
		if l := c.lists[schema.GroupVersion{Version: parts[1]}]; l != nil {
			obj = l
		}
	case parts[0] == "apis" && len(parts) == 2 && parts[1] != "":
		if g := c.byGroup[parts[1]]; g != nil {
			obj = g
		}
	case parts[0] == "apis" && len(parts) == 3:
		if l := c.lists[schema.GroupVersion{Group: parts[1], Version: parts[2]}]; l != nil {
			obj = l
		}
	}
	if obj == nil {
		return false, nil
	}
	if err := codec.Routable(r, codec.Names()); err != nil {
		return true, err
	}
	out, err := codec.Negotiate(r, codec.NoTransforms)
	if err != nil {
		return true, err
	}
	write(w, enc, obj, out, out.Media.String())
	return true, nil
}

func write(w http.ResponseWriter, enc *codec.Codec, obj runtime.Object, out codec.Output, contentType string) {
	var b bytes.Buffer
	if err := enc.Encode(&b, obj, out.Media, out.Pretty); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes())
}

// wantsAll reports whether, and in which media type, the client would rather
// have everything in one document.
func wantsAll(r *http.Request) (codec.Media, bool) {
	for _, clause := range goautoneg.ParseAccept(r.Header.Get("Accept")) {
		as := [...]string{clause.Params["g"], clause.Params["v"], clause.Params["as"]}
		all := as == [...]string{apidiscoveryv2.GroupName, "v2", "APIGroupDiscoveryList"}
		if !all && as != [3]string{} {
			continue // some other form, which there is not
		}
		for m, name := range codec.Names() {
			if clause.Type+"/"+clause.SubType == name {
				return codec.Media(m), all
			}
		}
	}
	return codec.JSON, false
}

func serveAll(w http.ResponseWriter, r *http.Request, enc *codec.Codec, l *apidiscoveryv2.APIGroupDiscoveryList, media codec.Media) {
	data, err := json.Marshal(l)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	tag := fmt.Sprintf("%q", fmt.Sprintf("%X", sha512.Sum512(data)))
	w.Header().Set("ETag", tag)
	w.Header().Set("Vary", "Accept")
	w.Header().Set("Cache-Control", "public")
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, enc, l, codec.Output{Media: media}, media.String()+";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
}
