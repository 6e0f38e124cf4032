package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// certify writes a certificate of 127.0.0.1 and of a name, and its key, and returns what trusts it.
func certify(t testing.TB, dir, name string) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{name},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	der2, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	trust = x509.NewCertPool()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trust.AppendCertsFromPEM(text)
	if err := errors.Join(os.WriteFile(cert, text, 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der2}), 0o600)); err != nil {
		t.Fatal(err)
	}
	return cert, key, trust
}

// over asks a daemon for a run by TLS, and returns the answer and its protocol.
func over(t testing.TB, d *sandboxd, config *tls.Config, http2 bool) (answer, string, error) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2, DisableKeepAlives: true}}
	response, err := client.Post(d.url+"/playground/execute", "application/json", strings.NewReader(`{"code":"print(6*7)"}`))
	if err != nil {
		return answer{}, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{status: response.StatusCode, header: response.Header, body: string(body)}, response.Proto, err
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key, trust := certify(t, dir, "first")
	d := start(t, "--tls-cert="+cert, "--tls-key="+key)
	if !strings.HasPrefix(d.url, "https://127.0.0.1:") {
		t.Errorf("it serves at %s", d.url)
	}
	for http2, proto := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		a, got, err := over(t, d, &tls.Config{RootCAs: trust}, http2)
		if err != nil || got != proto || a.status != 200 || a.body != `{"stdout":"42\n","stderr":""}` {
			t.Errorf("%s: %s %d %s, %v", proto, got, a.status, a.body, err)
		}
	}
	if _, _, err := over(t, d, &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, false); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.1: %v", err)
	}
	plain := sandboxd{url: strings.Replace(d.url, "https", "http", 1)}
	if a, err := plain.do(t.Context(), "GET", "/", nil); err == nil && a.status != http.StatusBadRequest {
		t.Errorf("without TLS: %d %s", a.status, a.body)
	}

	// A certificate that is renewed is used from then on, also by connections that come after a broken one.
	if err := os.WriteFile(cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the log of a broken certificate", func() bool { return strings.Contains(d.log.String(), "what=certificate error=") })
	if _, _, err := over(t, d, &tls.Config{RootCAs: trust}, true); err != nil {
		t.Errorf("a broken file has taken the certificate away: %v", err)
	}
	_, _, trust = certify(t, dir, "second")
	waitFor(t, "the new certificate", func() bool { _, _, err := over(t, d, &tls.Config{RootCAs: trust}, true); return err == nil })
	if !strings.Contains(d.log.String(), `what=certificate subject="CN=second" not_after=`) && !strings.Contains(d.log.String(), `what=certificate subject=CN=second not_after=`) {
		t.Errorf("the log:\n%s", d.log)
	}
}

// An event arrives when it happens, and a client that goes away cancels its run, by HTTP/2 too.
func TestEventsByHTTP2(t *testing.T) {
	cert, key, trust := certify(t, t.TempDir(), "x")
	d := start(t, "--tls-cert="+cert, "--tls-key="+key, "--policy=off", "--wall=60s")
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: true}}
	request, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/v1/runs", strings.NewReader(`{"code":"import time\nprint(1, flush=True)\ntime.sleep(50)"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/jsonl")
	response, err := client.Do(request)
	if err != nil || response.Proto != "HTTP/2.0" {
		t.Fatal(response, err)
	}
	first := make([]byte, 1<<10)
	for got := ""; !strings.Contains(got, `"text":"1\n"`); {
		n, err := response.Body.Read(first)
		got += string(first[:n])
		if err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
	}
	response.Body.Close()
	waitFor(t, "the run to be cancelled", func() bool { return strings.Contains(d.log.String(), "verdict=cancelled") })
}

// Connections are counted behind TLS too: an idle one makes way, and one with a request under way does not.
func TestConnectionsByTLS(t *testing.T) {
	cert, key, trust := certify(t, t.TempDir(), "x")
	d := start(t, "--tls-cert="+cert, "--tls-key="+key, "--policy=off", "--wall=30s", "--connections=1", "--admin-listen=127.0.0.1:0")
	admin := sandboxd{url: regexp.MustCompile(`admin=(\S+)`).FindStringSubmatch(d.log.String())[1]}
	const count = `sandboxd_connections_closed_for_room_total{listener="public"}`
	for _, http2 := range []bool{true, false} {
		ask := func(code string) (string, error) {
			client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust}, ForceAttemptHTTP2: http2}}
			response, err := client.Post(d.url+"/playground/execute", "application/json", strings.NewReader(`{"code":"`+code+`"}`))
			if err != nil {
				return "", err
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			return string(body), err // the connection stays open, and idle
		}
		before := admin.metric(t, count)
		for range 3 { // an answer may come before its connection counts as idle
			waitFor(t, "an answer beside an idle connection", func() bool { got, _ := ask("print(1)"); return got == `{"stdout":"1\n","stderr":""}` })
		}
		if after := admin.metric(t, count); after == before {
			t.Errorf("HTTP/2 %v: no connection has made way", http2)
		}
		running := make(chan string)
		go func() {
			var got string
			for err := errors.New("not yet"); err != nil; {
				got, err = ask("import time; time.sleep(3); print(2)")
			}
			running <- got
		}()
		waitFor(t, "a run", func() bool { return admin.metric(t, "sandboxd_runs_in_flight") == "1" })
		if got, err := ask("print(1)"); err == nil {
			t.Errorf("HTTP/2 %v: a newcomer is served: %s", http2, got)
		}
		if got := <-running; got != `{"stdout":"2\n","stderr":""}` {
			t.Errorf("HTTP/2 %v: a request that was under way: %s", http2, got)
		}
	}
}

func TestWrongCertificates(t *testing.T) {
	dir := t.TempDir()
	cert, key, _ := certify(t, dir, "x")
	other := filepath.Join(t.TempDir(), "key.pem")
	_, otherKey, _ := certify(t, filepath.Dir(other), "y")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--tls-cert=" + cert}, "--tls-cert: there is no private key: give its file with --tls-key"},
		{[]string{"--tls-key=" + key}, "there is no certificate: give its file with --tls-cert, beside --tls-key"},
		{[]string{"--tls-cert=/nonexistent", "--tls-key=" + key}, "--tls-cert: open /nonexistent: no such file or directory"},
		{[]string{"--tls-cert=" + cert, "--tls-key=" + otherKey}, "--tls-cert: tls: private key does not match public key"},
	} {
		for _, name := range []string{"check", "serve"} {
			if status, _, stderr := said(t, command(t, append([]string{name}, tt.args...)...)); status != 2 || !strings.Contains(stderr, tt.want) {
				t.Errorf("%s %v: status %d: %s", name, tt.args, status, stderr)
			}
		}
	}
	if status, _, stderr := said(t, command(t, "check", "--tls-cert="+cert, "--tls-key="+key)); status != 0 {
		t.Errorf("status %d: %s", status, stderr)
	}
}
