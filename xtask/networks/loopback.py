"""What the programs of `cargo xtask test --networks` share. A process that imports it reaches
nothing but this machine."""

import ipaddress
import json
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

DEADLINE_SECONDS = 120


def _only_here(connect):
    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = ipaddress.ip_address(address[0])
            assert host.is_loopback, f"this test calls nobody but this machine, and not {address}"
        return connect(self, address)

    return guarded


socket.socket.connect = _only_here(socket.socket.connect)
socket.socket.connect_ex = _only_here(socket.socket.connect_ex)
# Proxies of the environment are for other hosts, and a redirection is an answer to look at.
_opener = urllib.request.OpenerDirector()
for _handler in (urllib.request.HTTPHandler, urllib.request.HTTPDefaultErrorHandler):
    _opener.add_handler(_handler())


def http(method, url, body=None, form=None, token=None):
    """Status and body of an answer. The body is read as JSON where it is JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = None
    if form is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        data = urllib.parse.urlencode(form).encode()
    elif body is not None:
        headers["Content-Type"] = "application/json"
        data = json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers=headers, method=method)
    with _opener.open(request, timeout=60) as answer:
        text = answer.read()
        is_json = answer.headers.get_content_type() == "application/json"
        return answer.status, json.loads(text) if is_json and text else text


def done(method, url, **more):
    """The body of an answer that says that it is done."""
    status, answer = http(method, url, **more)
    assert 200 <= status < 300, (method, url, status, answer)
    return answer


def until(what, look):
    """What `look` finds, once it finds something."""
    last = time.monotonic() + DEADLINE_SECONDS
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < last, f"not in time: {what}"
        time.sleep(0.05)


def refused(kind, call):
    """The exception of this kind that a call ends with."""
    try:
        answered = call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, got {answered}")


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"


# A guard that let everything through would not be noticed otherwise. The address is one for
# documentation, which nobody has.
with socket.socket() as _stranger:
    refused(AssertionError, lambda: _stranger.connect(("192.0.2.1", 443)))
