package apiserver_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
)

// TestSlowWatcher lets one client never read its watch while more happens than
// the server keeps for it. Writers do not wait, another client sees every
// change at once, and the slow one finds its watch ended when it reads at last.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, client := start(t)
		cfg := srv.LoopbackConfig()
		hc, err := rest.HTTPClientFor(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		open := func() io.ReadCloser {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=36000", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := hc.Do(req)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			return resp.Body
		}
		maps := client.CoreV1().ConfigMaps("default")
		if _, err := maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		slow, quick := open(), open()
		defer func() { _ = slow.Close() }()
		defer func() { _ = quick.Close() }()
		lines := bufio.NewReaderSize(quick, 1<<20)
		if line, err := lines.ReadSlice('\n'); err != nil || !bytes.HasPrefix(line, []byte(`{"type":"ADDED"`)) {
			t.Fatalf("%s, %v", line, err)
		}
		filler := strings.Repeat("x", 10000)
		for i := range 600 {
			begin := time.Now()
			if _, err := maps.Patch(ctx, "a", types.MergePatchType, fmt.Appendf(nil, `{"data":{"n":"<%d>","filler":%q}}`, i, filler), metav1.PatchOptions{}); err != nil {
				t.Fatal(err)
			}
			line, err := lines.ReadSlice('\n')
			if err != nil || !bytes.Contains(line, fmt.Appendf(nil, `"n":"\u003c%d\u003e"`, i)) {
				t.Fatalf("event %d: %.300s, %v", i, line, err)
			}
			if took := time.Since(begin); took > 0 {
				t.Fatalf("write and event %d took %v", i, took)
			}
			time.Sleep(time.Second)
		}
		// It gets what had been sent to it, and then the end.
		n, err := io.Copy(io.Discard, slow)
		if err != nil || n == 0 || n > 2<<20 {
			t.Errorf("the slow watch had %d bytes, %v", n, err)
		}
	})
}
