package probe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// grpc asks the standard gRPC health service. The exchange is one request and
// one answer of a few bytes, so it is spoken here over HTTP/2 without the gRPC
// library.
func grpc(ctx context.Context, h *corev1.GRPCAction, t Target) error {
	service := ""
	if h.Service != nil {
		service = *h.Service
	}
	addr := net.JoinHostPort(t.IP, strconv.Itoa(int(h.Port)))

	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: &protocols, DisableCompression: true}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost,
		"http://"+addr+"/grpc.health.v1.Health/Check", bytes.NewReader(healthRequest(service)))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", "kube-probe/1.37")
	resp, err := transport.RoundTrip(req)
	if err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("timeout: failed to connect service %q within %v: %w", addr, t.Timeout, ctx.Err())
		}
		return fmt.Errorf("error: failed to connect service at %q: %w", addr, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, outputLimit))
	if err != nil {
		return fmt.Errorf("error: health rpc failed: %w", err)
	}
	code := resp.Trailer.Get("Grpc-Status")
	if code == "" {
		code = resp.Header.Get("Grpc-Status")
	}
	switch code {
	case "0":
	case "12":
		return errors.New("error: this server does not implement the grpc health protocol (grpc.health.v1.Health)")
	default:
		return fmt.Errorf("error: health rpc failed: grpc status %q %s%s", code,
			resp.Header.Get("Grpc-Message"), resp.Trailer.Get("Grpc-Message"))
	}
	status, err := healthStatus(body)
	if err != nil {
		return err
	}
	if status != servingStatus {
		return fmt.Errorf("service unhealthy (responded with %q)", statusName(status))
	}
	return nil
}

// servingStatus is the answer of a healthy service.
const servingStatus = 1

func statusName(status uint64) string {
	names := []string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}
	if status < uint64(len(names)) {
		return names[status]
	}
	return strconv.FormatUint(status, 10)
}

// healthRequest is a framed message whose field 1 is the service's name.
func healthRequest(service string) []byte {
	var message []byte
	if service != "" {
		message = append(message, 1<<3|2)
		message = binary.AppendUvarint(message, uint64(len(service)))
		message = append(message, service...)
	}
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(frame, message...)
}

// healthStatus reads field 1 of a framed message, a number.
func healthStatus(frame []byte) (uint64, error) {
	if len(frame) < 5 || frame[0] != 0 || int(binary.BigEndian.Uint32(frame[1:5])) != len(frame)-5 {
		return 0, errors.New("error: health rpc failed: the answer is no gRPC message")
	}
	message := frame[5:]
	if len(message) == 0 {
		return 0, nil // the zero value is not sent
	}
	if message[0] != 1<<3 {
		return 0, errors.New("error: health rpc failed: the answer is no health message")
	}
	status, n := binary.Uvarint(message[1:])
	if n <= 0 {
		return 0, errors.New("error: health rpc failed: the answer is no health message")
	}
	return status, nil
}
