package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// DefaultMaxAnswer is the length of the longest answer that Run accepts, in bytes, unless WithMaxAnswer sets another.
const DefaultMaxAnswer = 128 << 20

// ErrTooLong means that an answer or an event is longer than the client accepts.
var ErrTooLong = errors.New("the answer is longer than this client accepts")

// Client calls one service. It is safe for concurrent use.
type Client struct {
	base string // URL without a slash at its end
	key  string
	http *http.Client
	most int64 // maximum length of an answer in bytes
}

// Option configures a Client.
type Option func(*Client)

// WithKey sends an API key with each request (Authorization: Bearer). Use it with https, a loopback address or a Unix socket:
// plain HTTP shows the key to the network.
func WithKey(key string) Option { return func(c *Client) { c.key = key } }

// WithHTTPClient sets the client that makes the requests, for example one with its own TLS configuration. It must have no
// Timeout, because a run may take long: bound each call by its context. For a service at a Unix socket the option has no effect.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithMaxAnswer sets the length of the longest answer that Run accepts, in bytes.
func WithMaxAnswer(bytes int64) Option { return func(c *Client) { c.most = bytes } }

// New returns a client for the service at a URL, such as https://example.com or http://127.0.0.1:8000, or at a Unix socket,
// such as unix:/run/sandboxd/socket.
func New(baseURL string, options ...Option) (*Client, error) {
	// A redirect would send the key and the program to an address that the caller did not name.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c := &Client{base: strings.TrimRight(baseURL, "/"), http: &http.Client{CheckRedirect: stay}, most: DefaultMaxAnswer}
	for _, option := range options {
		option(c)
	}
	if path, local := strings.CutPrefix(baseURL, "unix:"); local {
		if path == "" {
			return nil, errors.New("client: unix: without a path")
		}
		c.base = "http://localhost"
		c.http = &http.Client{CheckRedirect: stay, Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "unix", path)
			},
		}}
		return c, nil
	}
	u, err := url.Parse(baseURL)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("client: %q is not the URL of a service: give one such as http://127.0.0.1:8000 or unix:/path", u.Redacted())
	}
	return c, nil
}

// Media types of requests and answers.
const (
	typeJSON    = "application/json"
	typeEvents  = "text/event-stream"
	typeProblem = "application/problem+json"
)

// Run runs a program to its end. If ctx ends first, the service cancels the run.
func (c *Client) Run(ctx context.Context, request Request) (*Result, error) {
	var result Result
	if err := c.call(ctx, http.MethodPost, "/v1/runs", request, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

// Cancel stops the run with this id, also if it waits for a slot. The answer to the request that started the run has the verdict
// Cancelled, unless the run ends by itself at the same moment. If there is no such run, or it has ended, the error is a *Problem
// with the type ProblemNoSuchRun.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/v1/runs/"+url.PathEscape(id), nil, nil)
}

// Meta returns the environments, policies, limits and features that the service offers.
func (c *Client) Meta(ctx context.Context) (*Meta, error) {
	var meta Meta
	if err := c.call(ctx, http.MethodGet, "/v1/meta", nil, &meta); err != nil {
		return nil, err
	}
	return &meta, nil
}

// call makes a request and decodes the JSON of the answer, unless answer is nil.
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	response, err := c.do(ctx, method, path, typeJSON, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if answer == nil {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, c.most+1))
	if err != nil {
		return fmt.Errorf("client: reading the answer: %w", err)
	}
	if int64(len(text)) > c.most {
		return fmt.Errorf("client: %w", ErrTooLong)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("client: decoding the answer: %w", err)
	}
	return nil
}

// do makes a request. An answer other than success is a *Problem. The caller closes the body.
func (c *Client) do(ctx context.Context, method, path, accept string, body any) (*http.Response, error) {
	var text io.Reader
	if request, is := body.(Request); is {
		if err := request.validate(); err != nil {
			return nil, fmt.Errorf("client: %w", err)
		}
	}
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("client: encoding the request: %w", err)
		}
		text = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, text)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if body != nil {
		request.Header.Set("Content-Type", typeJSON)
	}
	request.Header.Set("Accept", accept)
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		defer response.Body.Close()
		return nil, problemOf(response)
	}
	return response, nil
}
