"""A stand-in of the Hugging Face hub: the part of its HTTP interface that huggingface_hub asks to push and pull a model.

Every file is committed the "regular" way, inside the commit's request. Tokens: "writer" may do everything, "reader" may read.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


class Hub:
    """The models of a hub, and what it was asked."""

    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, dict[str, bytes]]]] = {}
        """Name -> commits, the oldest first: (hash, file name -> content)."""
        self.private: set[str] = set()
        self.asked: list[str] = []
        self.url = ""

    def commit(self, name: str, files: dict[str, bytes]) -> str:
        """Add a commit with exactly these files; return its hash."""
        listed = [(file, hashlib.sha1(content).hexdigest()) for file, content in sorted(files.items())]
        history = self.commits.setdefault(name, [])
        oid = hashlib.sha1(json.dumps([len(history), listed]).encode()).hexdigest()
        history.append((oid, dict(files)))
        return oid

    def at(self, name: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        history = self.commits.get(name, [])
        if revision == "main":
            return history[-1] if history else None
        return next((found for found in history if found[0] == revision), None)


@contextmanager
def running() -> Iterator[Hub]:
    """Context manager: a hub on a free port of this machine."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        self._answer(self._read)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._answer(self._write)

    def _answer(self, respond: Any) -> None:
        # Read in any case, or the next request of the connection would begin with it.
        self._body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        respond(path.strip("/").split("/"))

    @property
    def _token(self) -> str:
        return (self.headers.get("Authorization") or "").removeprefix("Bearer ")

    def _read(self, parts: list[str]) -> None:
        if parts[:2] == ["api", "models"] and len(parts) >= 4:
            name, rest = "/".join(parts[2:4]), parts[4:]
            revision = rest[1] if rest[:1] in (["revision"], ["tree"]) else "main"
        elif len(parts) == 5 and parts[2] == "resolve":
            name, revision, rest = "/".join(parts[:2]), parts[3], ["resolve", parts[4]]
        else:
            return self._fail(404, "NotFound")
        if name not in self.hub.commits or (name in self.hub.private and self._token not in ("reader", "writer")):
            # The hub does not say to strangers whether a model is missing or private.
            return self._fail(404 if self._token else 401, "RepoNotFound")
        found = self.hub.at(name, revision)
        if found is None:
            return self._fail(404, "RevisionNotFound")
        oid, files = found
        if rest[:1] == ["tree"]:
            return self._send([_listed(file, content) for file, content in files.items()])
        if rest[:1] == ["resolve"]:
            return self._send_file(oid, files.get(rest[1]))
        return self._send({"id": name, "sha": oid, "siblings": [{"rfilename": file} for file in files]})

    def _write(self, parts: list[str]) -> None:
        if parts == ["api", "validate-yaml"]:
            return self._send({"errors": [], "warnings": []})
        if self._token != "writer":
            return self._fail(403 if self._token == "reader" else 401, "")
        if parts == ["api", "repos", "create"]:
            asked = json.loads(self._body)
            name = f"{asked['organization']}/{asked['name']}"
            known = name in self.hub.commits
            if not known:
                self.hub.commit(name, {".gitattributes": b""})
            return self._send({"url": f"{self.hub.url}/{name}", "name": name}, 409 if known else 200)
        name, what = "/".join(parts[2:4]), parts[4]
        if what == "preupload":
            return self._send({"files": [_regular(file["path"]) for file in json.loads(self._body)["files"]]})
        if what == "commit":
            oid = self.hub.commit(name, self._committed(name))
            return self._send({"success": True, "commitOid": oid, "commitUrl": f"{self.hub.url}/{name}/commit/{oid}"})
        return self._fail(404, "NotFound")

    def _committed(self, name: str) -> dict[str, bytes]:
        """Return the files of the model after the commit in the request."""
        files = dict((self.hub.at(name, "main") or ("", {}))[1])
        for line in map(json.loads, self._body.splitlines()):
            if line["key"] == "file":
                files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del files[line["value"]["path"]]
        return files

    def _send(self, value: Any, status: int = 200) -> None:
        self._respond(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send_file(self, oid: str, content: bytes | None) -> None:
        if content is None:
            return self._fail(404, "EntryNotFound")
        self._respond(200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": oid})

    def _fail(self, status: int, code: str) -> None:
        self._respond(status, b"{}", {"X-Error-Code": code} if code else {})

    def _respond(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _listed(file: str, content: bytes) -> dict[str, Any]:
    return {"type": "file", "path": file, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}


def _regular(path: str) -> dict[str, Any]:
    return {"path": path, "uploadMode": "regular", "shouldIgnore": False, "oid": None}
