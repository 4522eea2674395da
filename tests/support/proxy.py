"""A reverse proxy that shows a server under a path, as nginx or Traefik do, and nothing else."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def showing(server: str, path: str, *, said: bool = False, kept: bool = False) -> Iterator[str]:
    """The address, without a slash at its end, at which `server` (http://host:port/) is shown.

    path: /digits. said: tell the server by X-Forwarded-Prefix. kept: leave the path in what it is
    asked for, which is else taken off.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if f"{self.path}/".startswith(f"{path}/"):
                self._forward()
            else:
                self.send_error(404, f"not below {path}")

        do_POST = do_GET

        def _forward(self) -> None:
            asked = self.path if kept else self.path.removeprefix(path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))) or None
            headers = {k: v for k, v in self.headers.items() if k not in ("Host", "Connection")}
            if said:
                headers["X-Forwarded-Prefix"] = path
            url = server + asked.lstrip("/")
            request = urllib.request.Request(url, body, headers, method=self.command)
            try:
                answer = urllib.request.urlopen(request, timeout=30)
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers["Content-Type"])
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as proxy:
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{proxy.server_port}{path}"
        finally:
            proxy.shutdown()
            thread.join()
