# The old service, for comparison: a web server with one thread for each request, and one
# subprocess with a time limit for each program. It has no other protection. Standard library only.
import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one segment, so that the answer does not wait for an acknowledgement

    def do_POST(self):
        code = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["code"]
        try:
            run = subprocess.run(
                [sys.argv[1], "-I", "-c", code], capture_output=True, text=True, timeout=5
            )
            answer = {"stdout": run.stdout, "stderr": run.stderr}
        except subprocess.TimeoutExpired:
            answer = {"stdout": "", "stderr": "timeout"}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024


server = Server(("127.0.0.1", 0), Handler)
print(f"serving address=http://127.0.0.1:{server.server_port}", file=sys.stderr, flush=True)
server.serve_forever()
