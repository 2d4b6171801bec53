package authn

import (
	"encoding/base64"
	"net/http"
	"strings"
	"unicode/utf8"
)

// websocketTokenPrefix marks the subprotocol that carries a token in base64url
// without padding, as kube-apiserver accepts it.
const websocketTokenPrefix = "base64url.bearer.authorization.k8s.io."

func websocketToken(r *http.Request) string {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return ""
	}
	token, kept := "", []string(nil)
	for _, header := range r.Header.Values("Sec-WebSocket-Protocol") {
		for _, protocol := range strings.Split(header, ",") {
			protocol = strings.TrimSpace(protocol)
			encoded, ok := strings.CutPrefix(protocol, websocketTokenPrefix)
			if !ok {
				kept = append(kept, protocol)
				continue
			}
			data, err := base64.RawURLEncoding.DecodeString(encoded)
			if err == nil && utf8.Valid(data) && token == "" {
				token = string(data)
			}
		}
	}
	// The token must not be echoed as the chosen protocol; at least one other
	// has to be there to be chosen.
	if token == "" || len(kept) == 0 {
		return ""
	}
	r.Header.Set("Sec-WebSocket-Protocol", strings.Join(kept, ", "))
	return token
}
