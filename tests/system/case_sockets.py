# SPDX-License-Identifier: MIT
"""Sockets, and what moves bytes between files: our own program, and python's libraries beside the same under the host's Linux."""

import os
import re
import socket
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
MOUNTS = "mount -t tmpfs none $0/tmp && mount -t tmpfs none $0/dev && mkdir $0/dev/shm && ln -s /proc/self/fd $0/dev/fd && touch $0/dev/null && " \
         "touch $0/dev/full $0/dev/zero && for n in null full zero; do mount --bind /dev/$n $0/dev/$n || exit 1; done && " \
         "mount --rbind /proc $0/proc && exec /usr/sbin/chroot $0 \"$@\""
REDIS = """
cd /tmp
start() {
    redis-server --port $1 --unixsocket /tmp/r.sock --dir /tmp --save '' --loglevel warning --daemonize no > /tmp/redis.log 2>&1 &
    server=$!
    for n in $(seq 100); do redis-cli -p $1 ping 2> /dev/null | grep -q PONG && return; sleep 0.2; done
    echo no server; cat /tmp/redis.log; exit 1
}
start $1
redis-cli -p $1 set greeting 'hello world'
redis-benchmark -p $1 -n 500 -c 10 -t set,get,incr,lpush --csv | cut -d, -f1
redis-benchmark -s /tmp/r.sock -n 500 -c 10 -P 8 -t set,get --csv | cut -d, -f1
redis-cli -s /tmp/r.sock llen mylist
redis-cli -p $1 get counter:__rand_int__
redis-cli -p $1 save
redis-cli -p $1 bgsave
redis-cli -p $1 shutdown nosave; wait $server; echo server $?
start $1
redis-cli -p $1 get greeting
redis-cli -p $1 llen mylist
redis-cli -p $1 config get save
redis-cli -p $1 shutdown nosave; wait $server; echo server $?
"""
SIGNALFD = """
import ctypes, os, select, signal, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
numbers = [signal.SIGUSR1, signal.SIGRTMIN, signal.SIGCHLD]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
fd = libc.signalfd(-1, struct.pack('Q', sum(1 << (n - 1) for n in numbers)) + bytes(120), os.O_NONBLOCK)
p = select.epoll()
p.register(fd, select.EPOLLIN)
print(p.poll(0))
os.kill(os.getpid(), signal.SIGUSR1)
child = subprocess.Popen(['/bin/sh', '-c', 'exit 7'])
for n in range(2):
    assert p.poll(10)
    d = os.read(fd, 128)
    signo, err, code, pid = struct.unpack('=IiiI', d[:16])
    print(signal.Signals(signo).name, code, pid == os.getpid(), pid == child.pid, struct.unpack('=i', d[40:44])[0])
os.waitid(os.P_PID, child.pid, os.WEXITED)
try:
    os.read(fd, 128)
except BlockingIOError as e:
    print(e)
print(p.poll(0))
"""
FILES = """
import fcntl, mmap, os, re
def tried(f):
    try:
        return f()
    except OSError as e:
        return e.errno
m = os.memfd_create('s', os.MFD_ALLOW_SEALING)
os.write(m, b'data')
mm = mmap.mmap(m, 4)
print(tried(lambda: fcntl.fcntl(m, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)))
mm.close()
print(fcntl.fcntl(m, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW))
for f in (lambda: os.write(m, b'x'), lambda: os.ftruncate(m, 1), lambda: os.ftruncate(m, 100), lambda: mmap.mmap(m, 4),
          lambda: mmap.mmap(m, 4, prot=mmap.PROT_READ).read(4), lambda: fcntl.fcntl(m, fcntl.F_GET_SEALS)):
    print(tried(f))
print(os.readlink('/proc/self/fd/%d' % m))
fd = os.open('/tmp/holes', os.O_RDWR | os.O_CREAT | os.O_TRUNC)
os.posix_fallocate(fd, 0, 10000)
os.pwrite(fd, b'y' * 10000, 0)
libc = __import__('ctypes').CDLL(None)
libc.fallocate.argtypes = [__import__('ctypes').c_int] * 2 + [__import__('ctypes').c_long] * 2
print(libc.fallocate(fd, 3, 100, 50), os.fstat(fd).st_size, os.pread(fd, 160, 90))
print(os.preadv(fd, [bytearray(5), bytearray(7)], 95), os.pwritev(fd, [b'ab', b'cd'], 9999), os.fstat(fd).st_size)
out = os.open('/tmp/copy', os.O_RDWR | os.O_CREAT | os.O_TRUNC)
print(os.copy_file_range(fd, out, 5000, 0, 10), os.sendfile(out, fd, 9000, 4000), os.fstat(out).st_size, os.lseek(out, 0, 1))
r, w = os.pipe()
print(os.splice(out, w, 1000, 0), os.splice(r, out, 600, None, 4000), os.read(r, 2000) == b'y' * 400, os.fstat(out).st_size)
print(fcntl.fcntl(w, fcntl.F_SETPIPE_SZ, 5000), fcntl.fcntl(r, fcntl.F_GETPIPE_SZ))
os.unlink('/tmp/copy')
mm = mmap.mmap(out, 0)
shown = [re.sub('  +', ' ', line.split(' ', 1)[1]).split(' ')[0:1] + line.split()[5:] for line in open('/proc/self/maps') if '/tmp' in line]
print(shown)
print([name in open('/proc/self/maps').read() for name in ('[heap]', '[stack]', '[vdso]', '/libc.so.6', '/python3.11')])
import threading
e = threading.Event()
threading.Thread(target=e.wait).start()
print(len(os.listdir('/proc/self/task')), open('/proc/self/comm').read(), open('/proc/thread-self/comm').read())
e.set()
for name in ('/dev/full', '/dev/null', '/dev/zero'):
    f = os.open(name, os.O_RDWR)
    print(name, tried(lambda: os.write(f, b'x')), os.read(f, 3))
"""
FILL = """
import os, socket
def fill(keep):
    try:
        for i in range(500):
            pair = socket.socketpair()
            keep.append(pair)
            pair[0].setblocking(False)
            try:
                while True:
                    pair[0].send(b'x' * 32768)
            except BlockingIOError:
                pass
    except OSError as e:
        return e.errno
    return 0
hold, let_go = os.pipe()
children = []
for n in range(4):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(let_go)
        keep = []
        os.write(w, b'%d' % fill(keep))
        os.read(hold, 1)
        os._exit(0)
    children.append((pid, r))
said = [int(os.read(r, 10)) for pid, r in children]
print(os.popen('echo alive').read().strip(), set(said) <= {0, 105, 12, 24}, said)
os.close(let_go)
print([os.waitpid(pid, 0)[1] for pid, r in children])
"""
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


@each({"asyncio": ASYNCIO, "socketserver": SOCKETSERVER, "multiprocessing": MULTIPROCESSING, "signalfd": SIGNALFD, "files": FILES})
def debian_python(bed, script):
    words = ["/usr/bin/python3", "-c", script]
    expected = on_linux(words)
    result = bed.run(*words, status=expected.returncode, options=DEBIAN)
    assert result.out == expected.stdout, (result.out, result.err[-2000:], expected.stdout, expected.stderr)


@case(limit=300)
def debian_redis(bed):
    """redis-server over TCP and AF_UNIX, under redis-benchmark; what it saved is there after a new start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["/bin/bash", "-c", REDIS, "redis", str(port)]
    expected = on_linux(words)
    assert b"hello world" in expected.stdout, expected
    result = bed.run(*words, status=0, options=DEBIAN + ["--pcache", "16M"], timeout=250)
    assert result.out == expected.stdout, (result.out, expected.stdout)


@case()
def sockets_full_of_memory(bed):
    """Four programs fill socket buffers until they are told no, and sit on them: the kernel has memory left to start another."""
    result = bed.run("/usr/bin/python3", "-c", FILL, options=DEBIAN + ["--memory", "128M"])
    assert result.out.startswith(b"alive True") and b"105" in result.out, result.out
