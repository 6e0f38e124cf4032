# varies: \[[^]]* [0-9:]+\]
import http.server, threading, urllib.request, xmlrpc.server, xmlrpc.client
s=http.server.ThreadingHTTPServer(('',0),http.server.SimpleHTTPRequestHandler); threading.Thread(target=s.serve_forever,daemon=True).start(); print(len(urllib.request.urlopen(f'http://localhost:{s.server_port}/').read())>10); s.shutdown()
