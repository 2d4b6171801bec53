package kubelet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/streaming/pkg/httpstream/wsstream"
)

// serveWebSocket runs something on streams that are channels of a WebSocket,
// in the protocols v4 and v5, of which the latter can tell that input ended.
func serveWebSocket(w http.ResponseWriter, r *http.Request, opts *remotecommand.Options, run func(context.Context, Streams) error) {
	channels := make([]wsstream.ChannelType, remotecommand.StreamResize+1)
	set := func(i int, on bool, kind wsstream.ChannelType) {
		channels[i] = wsstream.IgnoreChannel
		if on {
			channels[i] = kind
		}
	}
	set(remotecommand.StreamStdIn, opts.Stdin, wsstream.ReadChannel)
	set(remotecommand.StreamStdOut, opts.Stdout, wsstream.WriteChannel)
	set(remotecommand.StreamStdErr, opts.Stderr && !opts.TTY, wsstream.WriteChannel)
	set(remotecommand.StreamErr, true, wsstream.WriteChannel)
	set(remotecommand.StreamResize, opts.TTY, wsstream.ReadChannel)
	protocols := make(map[string]wsstream.ChannelProtocolConfig)
	for _, name := range []string{remotecommand.StreamProtocolV5Name, remotecommand.StreamProtocolV4Name} {
		protocols[name] = wsstream.ChannelProtocolConfig{Binary: true, Channels: channels}
	}
	conn := wsstream.NewConn(protocols)
	conn.SetIdleTimeout(streamIdleTimeout)
	_, streams, err := conn.Open(w, r)
	if err != nil {
		return // the client was told by the failed handshake
	}
	defer conn.Close()

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	s := Streams{TTY: opts.TTY}
	if opts.Stdin {
		s.Stdin = streams[remotecommand.StreamStdIn]
	}
	if opts.Stdout {
		s.Stdout = streams[remotecommand.StreamStdOut]
		streams[remotecommand.StreamStdOut].Write(nil) // tells the client that the connection is there
	}
	if opts.Stderr && !opts.TTY {
		s.Stderr = streams[remotecommand.StreamStdErr]
	}
	if opts.TTY {
		s.Resize = decodeSizes(ctx, streams[remotecommand.StreamResize])
	}
	status, err := json.Marshal(exitStatus(run(ctx, s)))
	if err != nil {
		return
	}
	streams[remotecommand.StreamErr].Write(status)
}

// exitStatus tells a client how a command has ended.
func exitStatus(err error) metav1.Status {
	if err == nil {
		return metav1.Status{Status: metav1.StatusSuccess}
	}
	var exit *ExitError
	if errors.As(err, &exit) {
		return metav1.Status{
			Status: metav1.StatusFailure, Reason: remotecommand.NonZeroExitCodeReason,
			Message: fmt.Sprintf("command terminated with non-zero exit code: %v", exit),
			Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{
				Type: remotecommand.ExitCodeCauseType, Message: strconv.Itoa(exit.Code),
			}}},
		}
	}
	return metav1.Status{
		Status: metav1.StatusFailure, Reason: metav1.StatusReasonInternalError, Code: http.StatusInternalServerError,
		Message: fmt.Sprintf("Internal error occurred: error executing command in container: %v", err),
	}
}

// decodeSizes reads terminal sizes as JSON until the stream or ctx ends.
func decodeSizes(ctx context.Context, r io.Reader) <-chan TerminalSize {
	out := make(chan TerminalSize)
	go func() {
		defer close(out)
		decoder := json.NewDecoder(r)
		for {
			var size TerminalSize
			if decoder.Decode(&size) != nil {
				return
			}
			select {
			case out <- size:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}
