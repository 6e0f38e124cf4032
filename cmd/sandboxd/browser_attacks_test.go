package main

// browserAttacks returns all attacks. Some are generated, one for each kind of page.
func browserAttacks() (attacks []browserAttack) {
	const paths = 12 // length of guarded in helpers
	for _, page := range []string{"evil", "good", "local", "null", "file"} {
		attacks = append(attacks,
			browserAttack{name: page + " page reads", page: page, times: paths, script: `return each(async path => text(await fetch(D + path)))`},
			browserAttack{name: page + " page loads", page: page, times: paths, sends: true, script: `await each(path => fetch(D + path, {mode: "no-cors"}))`})
	}
	attacks = append(attacks, []browserAttack{
		{name: "rebound page reads", page: "rebound", times: paths, script: `return each(async path => text(await fetch(path)))`},
		{name: "rebound page loads", page: "rebound", times: paths, sends: true, script: `await each(path => fetch(path, {mode: "no-cors"}))`},
		{name: "evil name reads", page: "evil", times: paths, script: `return each(async path => text(await fetch("http://evil.example:" + P + path)))`},
		{name: "evil name loads", page: "evil", times: paths, sends: true, script: `await each(path => fetch("http://evil.example:" + P + path, {mode: "no-cors"}))`},
	}...)
	return append(attacks, otherBrowserAttacks...)
}

var otherBrowserAttacks = []browserAttack{
	// Elements that load from other origins although the page may not read the content.
	{name: "script", page: "evil", script: `return loads("script", {src: D + "/docs/docs.js"})`},
	{name: "script of the metrics", page: "evil", script: `return loads("script", {src: D + "/metrics"})`},
	{name: "module script", page: "evil", script: `return loads("script", {type: "module", src: D + "/docs/docs.js"})`},
	{name: "import()", page: "evil", script: `await import(D + "/docs/docs.js"); return "imported"`},
	{name: "style sheet", page: "evil", script: `return loads("link", {rel: "stylesheet", href: D + "/docs/swagger-ui.css"})`},
	{name: "@import in a style", page: "evil", script: `add("style", {textContent: "@import '" + D + "/docs/swagger-ui.css'"})`, sends: true},
	{name: "background of an element", page: "evil", script: `add("div", {textContent: "x"}).style.backgroundImage = "url(" + D + "/metrics)"`, sends: true},
	{name: "picture", page: "evil", script: `await loads("img", {src: D + "/metrics"})`, sends: true},
	{name: "picture that wants CORS", page: "evil", script: `await loads("img", {crossOrigin: "use-credentials", src: D + "/metrics"})`, sends: true},
	{name: "video", page: "evil", script: `add("video", {src: D + "/metrics", preload: "auto"})`, sends: true},
	{name: "object", page: "evil", script: `add("object", {data: D + "/docs"})`, sends: true},
	{name: "embed", page: "evil", script: `add("embed", {src: D + "/docs", type: "text/html"})`, sends: true},
	{name: "frame", page: "evil", script: `add("iframe", {src: D + "/docs"})`, sends: true},
	{name: "frame of the metrics", page: "evil", script: `add("iframe", {src: D + "/metrics"})`, sends: true},
	{name: "frame of the allowed page", page: "good", script: `add("iframe", {src: D + "/healthz"})`, sends: true},
	{name: "frame that is prefetched", page: "evil", script: `add("link", {rel: "prefetch", href: D + "/docs"})`, sends: true},
	{name: "preload", page: "evil", script: `add("link", {rel: "preload", as: "fetch", crossOrigin: "anonymous", href: D + "/metrics"})`, sends: true},
	{name: "favicon", page: "evil", script: `return loads("link", {rel: "stylesheet", href: D + "/docs"})`},
	{name: "worker", page: "evil", script: `const code = new Blob(["try { importScripts('" + D + "/docs/docs.js'); postMessage('imported') } catch (e) { postMessage('') }"]);
		return new Promise(done => new Worker(URL.createObjectURL(code)).onmessage = e => done(e.data))`},
	{name: "worker that reads", page: "evil", script: `const code = new Blob(["fetch('" + D + "/metrics').then(r => r.ok ? r.text() : '').then(postMessage, () => postMessage(''))"]);
		return new Promise(done => new Worker(URL.createObjectURL(code)).onmessage = e => done(e.data))`},
	{name: "beacon", page: "evil", script: `navigator.sendBeacon(D + "/metrics")`, sends: true},
	{name: "form by GET", page: "evil", script: `add("iframe", {name: "sink"}); add("form", {action: D + "/metrics", target: "sink"}).submit()`, sends: true},
	{name: "form by POST", page: "evil", script: `post(D + "/healthz", "text/plain", {a: "b"})`, sends: true},

	// Requests whose answer the page tries to read.
	{name: "XMLHttpRequest", page: "evil", script: `return new Promise(done => { const x = new XMLHttpRequest(); x.open("GET", D + "/metrics");
		x.onload = () => done(x.status === 200 ? x.responseText : ""); x.onerror = () => done(""); x.send() })`},
	{name: "XMLHttpRequest, synchronous", page: "evil", script: `const x = new XMLHttpRequest(); x.open("GET", D + "/metrics", false); x.send(); return x.status === 200 ? x.responseText : ""`},
	{name: "with credentials", page: "evil", script: `return text(await fetch(D + "/metrics", {credentials: "include"}))`},
	{name: "with a header, and so a preflight", page: "evil", script: `return text(await fetch(D + "/metrics", {headers: {"X-Any": "1"}}))`},
	{name: "by HEAD", page: "evil", script: `return (await fetch(D + "/metrics", {method: "HEAD"})).ok`},
	{name: "by another method", page: "evil", script: `return (await fetch(D + "/metrics", {method: "OPTIONS"})).ok`},
	{name: "by localhost", page: "evil", script: `return text(await fetch("http://localhost:" + P + "/metrics"))`},
	{name: "by a name below localhost", page: "evil", script: `return text(await fetch("http://a.localhost:" + P + "/metrics"))`},
	{name: "with a final slash", page: "evil", script: `return text(await fetch(D + "/metrics/"))`},
	{name: "in another spelling", page: "evil", script: `return text(await fetch(D + "//metric%73"))`},
	{name: "server-sent events", page: "evil", script: `return opens(new EventSource(D + "/metrics"))`},
	{name: "by a redirect of its own", page: "evil", script: `return text(await fetch(E + "/?to=" + encodeURIComponent(D + "/metrics")))`},
	{name: "WebSocket", page: "evil", script: `return opens(new WebSocket("ws://127.0.0.1:" + P + "/metrics"))`},
	{name: "WebSocket from the allowed page", page: "good", script: `return opens(new WebSocket("ws://127.0.0.1:" + P + "/healthz"))`},
	{name: "WebSocket where programs run", page: "evil", script: `return opens(new WebSocket("ws://127.0.0.1:" + P + "/playground/execute"))`},

	// Programs in a form that the contract does not accept from any page.
	{name: "program as text", page: "evil", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", body: program})`, sends: true, runs: true},
	{name: "program in a form, as text", page: "evil", script: `return post(D + "/playground/execute", "text/plain", {'{"code":"print(1)","x":"': '"}'})`, sends: true, runs: true},
	{name: "program in a form", page: "evil", script: `return post(D + "/playground/execute", "application/x-www-form-urlencoded", {code: "print(1)"})`, sends: true, runs: true},
	{name: "program in a form of parts", page: "evil", script: `return post(D + "/playground/execute", "multipart/form-data", {code: "print(1)"})`, sends: true, runs: true},
	{name: "program in a form of the allowed page", page: "good", script: `return post(D + "/playground/execute", "text/plain", {'{"code":"print(1)","x":"': '"}'})`, sends: true, runs: true},

	// Programs in a form that only an allowed page may post.
	{name: "program as JSON", page: "evil", script: `return text(await fetch(D + "/playground/execute", {method: "POST", headers: {"Content-Type": "application/json"}, body: program}))`, limit: true},
	{name: "program as JSON, of a page of this machine", page: "local", script: `return text(await fetch(D + "/playground/execute", {method: "POST", headers: {"Content-Type": "application/json"}, body: program}))`, limit: true},
	{name: "program as JSON, of a file", page: "file", script: `return text(await fetch(D + "/playground/execute", {method: "POST", headers: {"Content-Type": "application/json"}, body: program}))`, limit: true},
	{name: "program without a type", page: "evil", script: `return text(await fetch(D + "/playground/execute", {method: "POST", body: untyped}))`, limit: true, sends: true},
	{name: "program without a type, not to be read", page: "evil", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program without a type, of a page without an origin", page: "null", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program without a type, of a file", page: "file", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program without a type, of a page of this machine", page: "local", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program that outlives its page", page: "evil", script: `await fetch(D + "/playground/execute", {method: "POST", mode: "no-cors", keepalive: true, body: untyped})`, limit: true, sends: true},
	{name: "program in a beacon", page: "evil", script: `navigator.sendBeacon(D + "/playground/execute", untyped)`, limit: true, sends: true},
	{name: "program by XMLHttpRequest", page: "evil", script: `const x = new XMLHttpRequest(); x.open("POST", D + "/playground/execute"); x.send(untyped)`, limit: true, sends: true},
	{name: "program by a redirect of its own", page: "evil", script: `await fetch(E + "/?to=" + encodeURIComponent(D + "/playground/execute"), {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program by a redirect, of the allowed page", page: "good", script: `await fetch(E + "/?to=" + encodeURIComponent(D + "/playground/execute"), {method: "POST", mode: "no-cors", body: untyped})`, limit: true, sends: true},
	{name: "program from a frame without an origin", page: "good", script: `add("iframe", {sandbox: "allow-scripts",
		srcdoc: "<script>fetch('" + D + "/playground/execute', {method: 'POST', mode: 'no-cors', body: new Blob(['{\"code\":\"print(1)\"}'])})</" + "script>"})`, limit: true, sends: true},

	// DNS rebinding: pages whose host name resolves to the daemon.
	{name: "rebound page runs a program", page: "rebound", script: `return text(await fetch("/playground/execute", {method: "POST", headers: {"Content-Type": "application/json"}, body: program}))`},
	{name: "rebound page runs a program without a type", page: "rebound", script: `await fetch("/playground/execute", {method: "POST", mode: "no-cors", body: untyped})`, sends: true},
	{name: "rebound page runs a program in a form", page: "rebound", script: `return post("/playground/execute", "text/plain", {'{"code":"print(1)","x":"': '"}'})`, sends: true, runs: true},
	{name: "rebound page reads in a frame", page: "rebound", script: `await loads("iframe", {src: "/docs"}); const d = document.querySelector("iframe").contentDocument;
		return d && !d.body.innerText.includes("Invalid host") && d.body.innerHTML`, sends: true},
	{name: "rebound page reads in a window", page: "rebound", script: `const w = open("/docs");
		while (w.location.href === "about:blank" || w.document.readyState !== "complete") await new Promise(done => setTimeout(done, 10));
		return !w.document.body.innerText.includes("Invalid host") && w.document.body.innerHTML`, sends: true},
	{name: "rebound page reads the welcome", page: "rebound", script: `return text(await fetch("/"))`},
	{name: "rebound page opens a WebSocket", page: "rebound", script: `return opens(new WebSocket(B.replace("http", "ws") + "/playground/execute"))`},
	{name: "evil page reads the rebound name", page: "evil", script: `return text(await fetch(B + "/"))`},
	{name: "evil name runs a program", page: "evil", script: `return text(await fetch("http://evil.example:" + P + "/playground/execute", {method: "POST", headers: {"Content-Type": "application/json"}, body: program}))`},
	{name: "evil name with a final dot", page: "evil", script: `return text(await fetch("http://evil.example.:" + P + "/"))`},
	{name: "a name that begins like one of ours", page: "evil", script: `return text(await fetch("http://localhost.example:" + P + "/"))`},
	{name: "a name that begins like an address of ours", page: "evil", script: `return text(await fetch("http://127.0.0.1.example:" + P + "/"))`},
	{name: "the allowed page's name", page: "good", script: `return text(await fetch("http://good.example:" + P + "/"))`},
	{name: "a user who is called localhost", page: "evil", script: `open("http://localhost@evil.example:" + P + "/docs")`, sends: true},
	{name: "the address of no host in particular", page: "evil", script: `return text(await fetch("http://0.0.0.0:" + P + "/"))`},
	{name: "an evil name is visited", page: "evil", script: `open("http://evil.example:" + P + "/docs")`, sends: true},
}
