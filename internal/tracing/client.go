package tracing

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// This is the client of OTLP over HTTP with protobuf (https://opentelemetry.io/docs/specs/otlp/). That of OpenTelemetry, otlptracehttp,
// imports gRPC and cannot use a Unix socket.

// target says where and how traces are sent.
type target struct {
	url      *url.URL
	socket   string // path of a Unix socket; "" for TCP
	header   http.Header
	timeout  time.Duration // for one request
	compress bool
	tls      *tls.Config
}

// readTarget reads the standard variables of OpenTelemetry. It returns nil if they do not ask for traces.
func readTarget(getenv func(string) string) (*target, error) {
	// A variable for traces has precedence over that for all signals.
	get := func(name string) (variable, value string) {
		for _, prefix := range []string{"OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"} {
			if value := strings.TrimSpace(getenv(prefix + name)); value != "" {
				return prefix + name, value
			}
		}
		return "", ""
	}
	variable, endpoint := get("ENDPOINT")
	exporter := getenv("OTEL_TRACES_EXPORTER")
	if endpoint == "" || exporter == "none" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, nil
	}
	if exporter != "" && exporter != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER: %q is not offered: give otlp or none", exporter)
	}
	if name, protocol := get("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("%s: %q is not offered: give http/protobuf", name, protocol)
	}
	t := &target{header: http.Header{}, timeout: 10 * time.Second, tls: &tls.Config{}}
	if err := t.parse(endpoint, variable == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	if name, value := get("HEADERS"); value != "" {
		if err := t.addHeaders(value); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	if name, value := get("TIMEOUT"); value != "" {
		milliseconds, err := strconv.ParseUint(value, 10, 31)
		if err != nil || milliseconds == 0 {
			return nil, fmt.Errorf("%s: %q is not a number of milliseconds", name, value)
		}
		t.timeout = time.Duration(milliseconds) * time.Millisecond
	}
	switch name, value := get("COMPRESSION"); value {
	case "gzip":
		t.compress = true
	case "", "none":
	default:
		return nil, fmt.Errorf("%s: %q is not offered: give gzip or none", name, value)
	}
	if name, file := get("CERTIFICATE"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		t.tls.RootCAs = x509.NewCertPool()
		if !t.tls.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s: %s has no certificate (PEM)", name, file)
		}
	}
	if name, cert := get("CLIENT_CERTIFICATE"); cert != "" {
		_, key := get("CLIENT_KEY")
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("%s, or its key: %w", name, err)
		}
		t.tls.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// parse reads an endpoint. exact means that its path is that of traces; otherwise it is that of all signals.
func (t *target) parse(endpoint string, exact bool) error {
	if path, is := strings.CutPrefix(endpoint, "unix:"); is {
		if !filepath.IsAbs(path) {
			return fmt.Errorf("%q: the path of a Unix socket must be absolute", endpoint)
		}
		t.url, t.socket = &url.URL{Scheme: "http", Host: "localhost", Path: "/v1/traces"}, path
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not an address: give one such as http://127.0.0.1:4318, or unix:PATH", endpoint)
	}
	if !exact {
		u = u.JoinPath("v1/traces")
	}
	u.Path = cmp.Or(u.Path, "/")
	t.url = u
	return nil
}

// addHeaders reads a list such as "a=b,c=d". Values may be percent-encoded.
func (t *target) addHeaders(list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		name, value, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !found || name == "" || err != nil {
			return errors.New("is not a list such as name=value,name=value") // without the value, which may be a password
		}
		t.header.Add(name, value)
	}
	return nil
}

// String returns the endpoint without a password.
func (t *target) String() string {
	if t.socket != "" {
		return "unix:" + t.socket
	}
	return t.url.Redacted()
}

func (t *target) client() *client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: t.tls, ForceAttemptHTTP2: true,
		MaxIdleConns: 1, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: t.timeout, MaxResponseHeaderBytes: 64 << 10,
	}
	if t.socket != "" {
		transport.Proxy = nil
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", t.socket)
		}
	}
	return &client{target: t, http: &http.Client{
		Transport: transport, Timeout: t.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// client sends traces. It implements otlptrace.Client.
type client struct {
	*target
	http *http.Client
}

// Start does nothing: the first request connects.
func (c *client) Start(context.Context) error { return nil }

// Stop closes the connection.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

const (
	firstPause = time.Second // after an attempt that may succeed later; then twice as long
	maxReply   = 64 << 10    // bytes of an answer that are read
)

// UploadTraces sends spans. It tries again until ctx ends if the collector asks for that, or does not answer.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// TracesData is encoded as the request of the protocol, ExportTraceServiceRequest, whose package imports gRPC: both have the spans as
	// their only field, number 1.
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	if c.compress {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = b.Bytes()
	}
	for pause := firstPause; ; pause *= 2 {
		wait, err := c.send(ctx, body)
		if err == nil || wait < 0 {
			return err
		}
		select {
		case <-time.After(max(wait, pause)):
		case <-ctx.Done():
			return err
		}
	}
}

// send makes one attempt. If it fails, wait says how long the collector wants to be left alone; negative: another attempt is of no use.
func (c *client) send(ctx context.Context, body []byte) (wait time.Duration, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url.String(), bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	request.Header = c.header.Clone()
	request.Header.Set("Content-Type", "application/x-protobuf")
	if c.compress {
		request.Header.Set("Content-Encoding", "gzip")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, _ = io.CopyN(io.Discard, response.Body, maxReply) // so that the connection can be used again
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 16)
		return time.Duration(seconds) * time.Second, fmt.Errorf("%s answers %s", c, response.Status)
	}
	if response.StatusCode/100 != 2 {
		return -1, fmt.Errorf("%s answers %s", c, response.Status)
	}
	return 0, nil
}
