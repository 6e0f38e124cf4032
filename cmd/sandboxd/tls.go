package main

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
)

// certificate is that of --tls-cert and --tls-key. It is read again when the files change.
type certificate struct {
	cert, key string
	now       atomic.Pointer[tls.Certificate]
}

// load reads the files. If that fails, the certificate stays as it is.
func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.now.Store(&pair)
	return nil
}

// about describes the certificate for the log.
func (c *certificate) about() []any {
	leaf := c.now.Load().Leaf
	return []any{"subject", leaf.Subject.String(), "not_after", leaf.NotAfter}
}

// maxStreams bounds the requests of one HTTP/2 connection at the same time. --connections bounds those of HTTP/1, and what each
// may take before it is counted is the same.
const maxStreams = 16

// config returns the configuration of a listener.
func (c *certificate) config() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.now.Load(), nil },
	}
}

// certificate reads the certificate. It returns nil if there is none.
func (s *settings) certificate(all *reloadables) (*certificate, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	c := &certificate{cert: s.TLSCert, key: s.TLSKey}
	r, err := newReloadable("certificate", []string{s.TLSCert, s.TLSKey}, c.load, c.about)
	*all = append(*all, r)
	return c, err
}

// checkTLS returns what is wrong with --tls-cert and --tls-key.
func (s *settings) checkTLS() error {
	switch {
	case s.TLSCert == "" && s.TLSKey == "":
		return nil
	case s.TLSKey == "":
		return errors.New("there is no private key: give its file with --tls-key")
	case s.TLSCert == "":
		return errors.New("there is no certificate: give its file with --tls-cert, beside --tls-key")
	case !s.serves:
		return nil // another user may read them
	}
	return (&certificate{cert: s.TLSCert, key: s.TLSKey}).load()
}

// serve serves HTTP at the endpoint, or HTTPS if it has a certificate.
func (d *endpoint) serve(server *http.Server) error {
	server.ConnState = d.ConnState
	if d.certificate == nil {
		return server.Serve(d)
	}
	server.TLSConfig = d.certificate.config()
	server.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: maxStreams}
	return server.Serve(net.Listener(tls.NewListener(d, server.TLSConfig)))
}
