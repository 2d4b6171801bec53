package connect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// logs serves pods/log.
type logs struct{ Config }

// Methods implements registry.Connecter.
func (*logs) Methods() []string { return []string{http.MethodGet} }

// Connect implements registry.Connecter.
func (l *logs) Connect(ctx context.Context, namespace, name, _ string, r *http.Request) (http.Handler, error) {
	opts, err := parseLogOptions(r.URL.Query())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if errs := validateLogOptions(opts); len(errs) > 0 {
		return nil, apierrors.NewInvalid(schema.GroupKind{Kind: "PodLogOptions"}, name, errs)
	}
	pod, err := l.pod(ctx, namespace, name)
	if err != nil {
		return nil, err
	}
	container, err := chooseContainer(pod, opts.Container)
	if err != nil {
		return nil, err
	}
	if pod.Spec.NodeName == "" {
		// Nothing can have been logged.
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), nil
	}
	base, transport, err := l.kubelet(ctx, pod)
	if err != nil {
		return nil, err
	}
	target := below(base, "containerLogs", pod.Namespace, pod.Name, container)
	target.RawQuery = logQuery(opts).Encode()
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("asking for logs: %w", err)
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("Get %q: %w", target, err)) //nolint:staticcheck // the text clients know
	}
	if response.StatusCode >= http.StatusBadRequest {
		defer response.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(response.Body, 50<<10))
		return nil, apierrors.NewGenericServerResponse(response.StatusCode, http.MethodGet, schema.GroupResource{Resource: "pods/log"}, name, string(body), 0, true)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer response.Body.Close()
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusOK)
		copyFlushing(w, response.Body)
	}), nil
}

// copyFlushing sends what comes as it comes.
func copyFlushing(w http.ResponseWriter, from io.Reader) {
	flush := http.NewResponseController(w)
	if flush.Flush() != nil {
		_, _ = io.Copy(w, from)
		return
	}
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := w.Write(buffer[:n]); err != nil {
				return
			}
			_ = flush.Flush()
		}
		if err != nil {
			return
		}
	}
}

// parseLogOptions reads the options of a request.
func parseLogOptions(q url.Values) (*corev1.PodLogOptions, error) {
	o := &corev1.PodLogOptions{Container: q.Get("container")}
	var errs []error
	flag := func(name string, into *bool) {
		if q.Has(name) {
			// As everywhere in the API, what is not false is true.
			text := strings.ToLower(q.Get(name))
			*into = text != "false" && text != "0"
		}
	}
	number := func(name string, into **int64) {
		if text := q.Get(name); text != "" {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				errs = append(errs, err)
			}
			*into = &n
		}
	}
	flag("follow", &o.Follow)
	flag("previous", &o.Previous)
	flag("timestamps", &o.Timestamps)
	flag("insecureSkipTLSVerifyBackend", &o.InsecureSkipTLSVerifyBackend)
	number("sinceSeconds", &o.SinceSeconds)
	number("tailLines", &o.TailLines)
	number("limitBytes", &o.LimitBytes)
	if text := q.Get("sinceTime"); text != "" {
		t, err := time.Parse(time.RFC3339, text)
		if err != nil {
			errs = append(errs, err)
		}
		o.SinceTime = &metav1.Time{Time: t}
	}
	if text := q.Get("stream"); text != "" {
		o.Stream = &text
	}
	return o, errors.Join(errs...)
}

// logQuery is what the kubelet understands of the options.
func logQuery(o *corev1.PodLogOptions) url.Values {
	q := url.Values{}
	flag := func(name string, set bool) {
		if set {
			q.Set(name, "true")
		}
	}
	number := func(name string, n *int64) {
		if n != nil {
			q.Set(name, fmt.Sprint(*n))
		}
	}
	flag("follow", o.Follow)
	flag("previous", o.Previous)
	flag("timestamps", o.Timestamps)
	number("sinceSeconds", o.SinceSeconds)
	number("tailLines", o.TailLines)
	number("limitBytes", o.LimitBytes)
	if o.SinceTime != nil {
		q.Set("sinceTime", o.SinceTime.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	return q
}

func validateLogOptions(o *corev1.PodLogOptions) field.ErrorList {
	var errs field.ErrorList
	if o.TailLines != nil && *o.TailLines < 0 {
		errs = append(errs, field.Invalid(field.NewPath("tailLines"), *o.TailLines, "must be greater than or equal to 0"))
	}
	if o.LimitBytes != nil && *o.LimitBytes < 1 {
		errs = append(errs, field.Invalid(field.NewPath("limitBytes"), *o.LimitBytes, "must be greater than 0"))
	}
	switch {
	case o.SinceSeconds != nil && o.SinceTime != nil:
		errs = append(errs, field.Forbidden(field.NewPath(""), "at most one of `sinceTime` or `sinceSeconds` may be specified"))
	case o.SinceSeconds != nil && *o.SinceSeconds < 1:
		errs = append(errs, field.Invalid(field.NewPath("sinceSeconds"), *o.SinceSeconds, "must be greater than 0"))
	}
	if o.Stream != nil {
		// One of the two streams alone is a feature that is off.
		errs = append(errs, field.Forbidden(field.NewPath("stream"), "may not be specified"))
	}
	return errs
}
