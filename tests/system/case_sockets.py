# SPDX-License-Identifier: MIT
"""Sockets, and what moves bytes between files: our own program, and python's libraries beside the same under the host's Linux."""

import os
import re
import subprocess

from cases import case, each
from testbed import BUILD

ASYNCIO = """
import asyncio
async def echo(reader, writer):
    while data := await reader.readline():
        writer.write(data.upper())
        await writer.drain()
    writer.close()
async def client(port, n):
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    got = []
    for i in range(5):
        writer.write(b'client %d line %d\\n' % (n, i))
        got.append((await reader.readline()).decode().strip())
    writer.write_eof()
    assert await reader.read() == b''
    writer.close()
    return got
async def main():
    server = await asyncio.start_server(echo, '127.0.0.1', 0)
    port = server.sockets[0].getsockname()[1]
    for lines in await asyncio.gather(*(client(port, n) for n in range(20))):
        print(lines)
    server.close()
    await server.wait_closed()
    proc = await asyncio.create_subprocess_exec('/bin/cat', stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    print(await proc.communicate(b'x' * 100000) == (b'x' * 100000, None), proc.returncode)
    try:
        await asyncio.open_connection('127.0.0.1', port)
    except ConnectionRefusedError as e:
        print('refused', e.errno)
asyncio.run(main())
"""
SOCKETSERVER = """
import socketserver, threading, socket, socket as s
class H(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line[::-1].strip() + b'\\n')
class T(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
with T(('127.0.0.1', 0), H) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for n in range(10):
        with socket.create_connection(server.server_address) as c, c.makefile('rwb') as f:
            f.write(b'hello %d\\n' % n); f.flush()
            print(f.readline())
    server.shutdown()
class U(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data.upper(), self.client_address)
with socketserver.UDPServer(('127.0.0.1', 0), U) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    c.sendto(b'datagram', server.server_address)
    print(c.recvfrom(100)[0])
    server.shutdown()
a, b = socket.socketpair()
a.settimeout(0.05)
try:
    a.recv(1)
except TimeoutError as e:
    print('timeout', e)
print(socket.getaddrinfo('127.0.0.1', 80, type=socket.SOCK_STREAM))
with open('/etc/passwd', 'rb') as f:
    print(a.sendfile(f) == f.tell(), len(b.recv(100000)))
"""
MULTIPROCESSING = """
import multiprocessing as mp, os
def square(n): return n * n
def put(q, n): q.put((n, n * 2))
def child(conn):
    conn.send([conn.recv(), {'a': 1}]); conn.close()
if __name__ == '__main__':
    mp.set_start_method('fork')
    with mp.Pool(3) as pool:
        print(pool.map(square, range(50)))
    q = mp.Queue()
    ps = [mp.Process(target=put, args=(q, n)) for n in range(4)]
    [p.start() for p in ps]
    print(sorted(q.get() for _ in ps))
    [p.join() for p in ps]
    print([p.exitcode for p in ps])
    a, b = mp.Pipe()
    p = mp.Process(target=child, args=(b,)); p.start()
    a.send('hello'); print(a.recv()); p.join()
    v = mp.Value('i', 0); lock = mp.Lock()
    def add():
        for _ in range(100):
            with v.get_lock(): v.value += 1
    ps = [mp.Process(target=add) for _ in range(3)]
    [p.start() for p in ps]; [p.join() for p in ps]
    print(v.value)
    from multiprocessing.managers import BaseManager
    with mp.Manager() as m:
        d = m.dict(); d['x'] = 1
        p = mp.Process(target=lambda: d.update(y=2)); p.start(); p.join()
        print(sorted(d.items()))
    from multiprocessing import reduction
    r, w = os.pipe()
    a, b = mp.Pipe()
    def give(conn): reduction.send_handle(conn, w, os.getppid())
    p = mp.Process(target=give, args=(b,)); p.start()
    fd = reduction.recv_handle(a); os.write(fd, b'handle'); print(os.read(r, 10)); p.join()
"""
MOUNTS = "mount -t tmpfs none $0/dev && mkdir $0/dev/shm && ln -s /proc/self/fd $0/dev/fd && touch $0/dev/null && " \
         "mount --bind /dev/null $0/dev/null && mount --rbind /proc $0/proc && exec /usr/sbin/chroot $0 \"$@\""
DEBIAN = ["--image", "debian", "--env", "PATH=/usr/bin", "--env", "HOME=/root"]


def on_linux(words, stdin=b""):
    """The same files under the host's kernel, in namespaces of their own: with a /dev/shm and a /proc."""
    return subprocess.run(["/usr/bin/unshare", "-r", "-m", "/bin/sh", "-c", MOUNTS, os.path.join(BUILD, "debian")] + words, input=stdin,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={"PATH": "/usr/bin:/usr/sbin:/bin", "HOME": "/root"},
                          timeout=60, check=False)


@each({"tmpfs": "/tmp", "disk": "/data"})
def sockets(bed, folder):
    result = bed.run("sockets", folder)
    assert re.search(rb"(?m)^sockets: OK", result.out), result.out


@each({"tmpfs": "/tmp", "disk": "/data"})
def errnos(bed, folder):
    """Wrong arguments: each call answers as it does under the host's Linux."""
    expected = subprocess.run([os.path.join(BUILD, "user", "errnos"), bed.tmp], stdout=subprocess.PIPE, timeout=60, check=True).stdout
    result = bed.run("errnos", folder)
    differing = [(one, two) for one, two in zip(expected.splitlines(), result.out.splitlines()) if one != two]
    assert result.out == expected, differing


@case()
def sockets_four_cpus(bed):
    for _ in range(3):
        result = bed.run("sockets", options=["--cpus", "4", "--pcache", "2M"])
        assert re.search(rb"(?m)^sockets: OK", result.out), result.out


@each({"asyncio": ASYNCIO, "socketserver": SOCKETSERVER, "multiprocessing": MULTIPROCESSING})
def debian_python(bed, script):
    words = ["/usr/bin/python3", "-c", script]
    expected = on_linux(words)
    result = bed.run(*words, status=expected.returncode, options=DEBIAN)
    assert result.out == expected.stdout, (result.out, result.err[-2000:], expected.stdout, expected.stderr)
