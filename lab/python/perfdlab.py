"""Notes what a trytond really did: each request with the statements that its thread ran.

trytond loads Witness as a WSGI middleware, by its own configuration:

    [wsgi middleware]
    witness = perfdlab.Witness
    [wsgi witness]
    args = ('/folder/for/the/notes',)

Each process appends lines of JSON to a file of its own, in the form that package fixtures/truth reads. A
request's line is complete before its answer is sent.
"""
import json
import os
import re
import socket
import threading
import time

from psycopg2.extensions import cursor
from trytond.backend.postgresql import database
from trytond.wsgi import TrytondWSGI
from werkzeug.exceptions import HTTPException

_here = threading.local()  # .events: the list of the request that this thread works on
_ports = {}  # backend process id -> client port of its connection, 0 for a Unix socket
_folder = None
_files = {}
_lock = threading.Lock()


def _note(line):
    pid = os.getpid()
    with _lock:
        if pid not in _files:
            name = os.path.join(_folder, 'truth-%d.jsonl' % pid)
            _files[pid] = os.open(name, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o644)
        os.write(_files[pid], json.dumps(line, separators=(',', ':')).encode() + b'\n')


def _port(connection, backend):
    key = os.getpid(), backend
    if key not in _ports:
        with socket.socket(fileno=os.dup(connection.fileno())) as s:
            name = s.getsockname()
        _ports[key] = name[1] if isinstance(name, tuple) else 0
    return _ports[key]


class _Cursor(database.LoggingCursor):

    def execute(self, sql, args=None):
        event = {'k': 'q', 't': time.time()}
        began = time.perf_counter()
        try:
            return super().execute(sql, args)
        except Exception as e:
            event['err'] = type(e).__name__
            raise
        finally:
            event['d'] = round(time.perf_counter() - began, 6)
            text = self.query or b''
            backend = self.connection.get_backend_pid() if not self.connection.closed else 0
            event['bpid'] = backend
            event['port'] = _port(self.connection, backend) if backend else 0
            event['len'] = len(text)
            event['rows'] = max(self.rowcount, 0)
            event['q'] = re.sub(r'\s+', ' ', text[:200].decode('utf-8', 'replace'))[:60]
            events = getattr(_here, 'events', None)
            if events is None:
                _note({'type': 'bg', 'pid': os.getpid(), 'tid': threading.get_native_id(), 'ev': [event]})
            else:
                events.append(event)

    def executemany(self, *args):
        raise NotImplementedError("executemany would go unnoticed")

    def callproc(self, *args):
        raise NotImplementedError("callproc would go unnoticed")


database.LoggingCursor = _Cursor
assert issubclass(_Cursor, cursor)

_dispatch_request = TrytondWSGI.dispatch_request


def _dispatch(self, request):
    data = _dispatch_request(self, request)
    if isinstance(data, HTTPException):
        _here.error = type(data).__name__, 'http'
    elif isinstance(data, Exception):
        _here.error = type(data).__name__, 'rpc'
    return data


TrytondWSGI.dispatch_request = _dispatch


class Witness:

    def __init__(self, app, folder):
        global _folder
        _folder = folder
        self.app = app

    def __call__(self, environ, start_response):
        line = {
            'type': 'rpc', 't_start': time.time(), 'pid': os.getpid(), 'tid': threading.get_native_id(),
            'http_port': int(environ.get('REMOTE_PORT') or 0), 'verb': environ['REQUEST_METHOD'],
            'path': environ['PATH_INFO'],
        }
        _here.events, _here.error = [], None

        def started(status, headers, *rest):
            line['status'] = int(status.split(None, 1)[0])
            return start_response(status, headers, *rest)

        try:
            return self.app(environ, started)
        finally:
            line['t_end'] = time.time()
            request = environ.get('werkzeug.request')
            known = getattr(request, '__dict__', {})
            # What the request has not worked out by itself it is not asked for: that could run statements.
            line['uid'] = known.get('user_id') or None
            body = known.get('parsed_data')
            if isinstance(body, dict):
                line['method'], line['rpc_id'] = body.get('method'), body.get('id')
            if _here.error:
                line['error'], line['error_kind'] = _here.error
            line['ev'] = _here.events
            _here.events = None
            _note(line)
