"""A service that is nothing but ready: what the supervisor is tested with."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"service": sys.argv[1]}).encode()
        self.send_response(200 if self.path == "/readyz" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    if os.environ["HUCHUANG_SERVICE"] != sys.argv[1]:
        sys.exit("called for another service")
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["HUCHUANG_SERVICE_PORT"])), Answers)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"{sys.argv[1]} serves", flush=True)
    server.serve_forever()
    print(f"{sys.argv[1]} has ended cleanly", flush=True)
