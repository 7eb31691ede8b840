"""Submissions that want marks which they have not earned, or to break what they run in.

ESCAPES   code for the body of one function, which returns "BROKE IN" if it got out of the jail
CHEATS    cells in which no challenge is solved, and all must be lost
COSTLY    cells in which apply_temperature brings its process down, and costs itself only
HARMLESS  cells around right answers which must cost nothing
"""

# ruff: noqa: E501  (one attempt, one line)

from __future__ import annotations

TOOLS = '''
import ctypes, gc, glob, io, json, os, pickle, resource, signal, socket, struct, subprocess, sys
import threading, time
import torch
libc = ctypes.CDLL(None, use_errno=True)

def opens(*paths, mode="rb"):
    """BROKE IN if any of these opens."""
    for path in paths:
        try:
            open(path, mode).close()
            return "BROKE IN"
        except OSError:
            pass

def works(*attempts):
    """BROKE IN if any of these calls does not fail."""
    for attempt in attempts:
        try:
            result = attempt()
            if not (isinstance(result, int) and result < 0):
                return "BROKE IN"
        except (OSError, ValueError, RuntimeError, ImportError):
            pass

def in_memory(start):
    """Whether a text that begins so, and goes on with TAIL, lies anywhere in this process."""
    for line in open("/proc/self/maps"):
        where, access = line.split()[:2]
        low, high = (int(part, 16) for part in where.split("-"))
        if access.startswith("r") and "[v" not in line and high - low < 1 << 30:
            data = ctypes.string_at(low, high - low)
            at = data.find(start)
            while at >= 0:
                if data[at + len(start):][:4] == b"TAIL":
                    return True
                at = data.find(start, at + 1)
    return False

def syscall(*arguments):
    return libc.syscall(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
'''

# In these {package} is the folder of labkit and {root} that of the checkout.
ESCAPES = {
    "read the challenges": "opens(*glob.glob({package!r} + '/challenges/*') or [{package!r} + '/challenges/__init__.py', {package!r} + '/challenges/temperature.py'])",
    "read the solutions": "opens({root!r} + '/solutions/05_temperature.py', {package!r} + '/_course/solutions/05_temperature.py')",
    "read the tests": "opens({root!r} + '/tests/gallery/hostile.py', {root!r} + '/tests/conftest.py')",
    "read the quizzes": "opens({root!r} + '/quizzes/05_temperature.yaml')",
    "read them by a path through /proc": "opens('/proc/self/root' + {root!r} + '/solutions/05_temperature.py', '/proc/self/cwd/../..' + {root!r} + '/README.md')",
    "import the challenges": "'BROKE IN' if any(name.startswith(('labkit.challenges', 'labkit_solutions')) for name in sys.modules) or getattr(__import__('importlib').import_module('labkit.challenges.temperature'), '__file__', None) else None",
    "import labkit without its stand-in": "sys.meta_path.__delitem__(0) or [sys.modules.pop(name) for name in list(sys.modules) if name.startswith('labkit')] and works(lambda: __import__('labkit'), lambda: __import__('labkit.challenges.temperature'), lambda: __import__('labkit.models'), lambda: __import__('labkit.instruments.sampling'))",
    "see that labkit is there": "'BROKE IN' if os.path.exists({package!r} + '/__init__.py') or os.listdir({package!r} if os.path.isdir({package!r}) else '.') else None",
    "find challenges in memory": "'BROKE IN' if any(type(thing).__name__ in ('Challenge', 'Mistake', 'Verdict') for thing in gc.get_objects()) else None",
    "write the tests": "opens({root!r} + '/tests/conftest.py', {package!r} + '/__init__.py', mode='a')",
    "write into the package": "opens({package!r} + '/evil.py', mode='w')",
    "write elsewhere": "opens(*(folder + '/labkit-was-here' for folder in ('', '/usr', '/etc', '/var/tmp', '/dev/shm', '/dev', '/proc', '/sys', '/run', '/root', '/home', '/jail', sys.prefix)), mode='w')",
    "write with a link": "works(lambda: (os.symlink('/etc', 'link'), open('link/labkit-was-here', 'w')))",
    "make a device": "works(lambda: os.mknod('disk', 0o60600, os.makedev(254, 0)), lambda: os.mkfifo('pipe'))",
    "read what is the machine's": "opens('/etc/passwd', '/etc/shadow', '/etc/hostname', '/proc/kcore', '/proc/sys/kernel/hostname', '/dev/mem', '/dev/vda', '/dev/sda', '/dev/kmsg')",
    "read the parent's memory": "opens('/proc/%d/mem' % os.getppid(), '/proc/0/mem', '/proc/2/mem', '/proc/1/environ', '/proc/self/mem')",
    "see other processes": "'BROKE IN' if any(os.path.exists('/proc/%d' % pid) for pid in range(2, 500)) else None",
    "trace the parent": "works(lambda: libc.ptrace(16, os.getppid(), 0, 0), lambda: libc.ptrace(0, 0, 0, 0), lambda: libc.process_vm_readv(os.getppid() or 1, 0, 0, 0, 0, 0) or -1)",
    "use other file descriptors": "'BROKE IN' if [fd for fd in range(3, 1024) if not works(lambda: os.fstat(fd)) is None][1:] else None",
    "kill the grader": "works(lambda: os.kill(os.getppid() or 2, signal.SIGKILL), lambda: os.kill(-1, signal.SIGKILL), lambda: os.killpg(os.getppid() or 2, 9))",
    "TCP": "works(lambda: socket.create_connection(('127.0.0.1', 22), 1), lambda: socket.socket(), lambda: socket.create_server(('', 0)))",
    "UDP": "works(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', 53)), lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))",
    "Unix sockets": "works(lambda: socket.socket(socket.AF_UNIX).bind('here'), lambda: socket.socket(socket.AF_UNIX).bind('\\0labkit'), lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))",
    "netlink, packets, vsock": "works(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW), lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW), lambda: socket.socket(40, socket.SOCK_STREAM))",
    "a name server": "works(lambda: socket.gethostbyname('example.org'))",
    "start a program": "works(lambda: subprocess.run(['true']), lambda: os.system('true') and -1, lambda: os.posix_spawn('/bin/true', ['true'], {{}}))",
    "become a program": "works(lambda: os.execv('/bin/true', ['true']))",
    "fork": "works(os.fork, lambda: libc.fork(), lambda: libc.vfork() , lambda: syscall(435, ctypes.create_string_buffer(88), 88))",
    "become root": "works(lambda: os.setuid(0), lambda: os.setresuid(0, 0, 0), lambda: os.setgid(0), lambda: os.setgroups([0]))",
    "a namespace of its own": "works(lambda: libc.unshare(0x10000000), lambda: libc.unshare(0x20000), lambda: libc.setns(0, 0))",
    "mount and unmount": "works(lambda: libc.mount(b'none', b'/jail/work', b'tmpfs', 0, None), lambda: libc.umount2(b'/proc', 2), lambda: libc.chroot(b'.'), lambda: libc.pivot_root(b'.', b'.'))",
    "mount by the new calls": "works(lambda: syscall(428, -100, b'/', 1), lambda: syscall(430, b'tmpfs', 0), lambda: syscall(429, -100, b'.', -100, b'.', 0))",
    "higher limits": "works(lambda: resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2), lambda: resource.setrlimit(resource.RLIMIT_CPU, (10**6,) * 2), lambda: resource.prlimit(2, resource.RLIMIT_AS))",
    "keys, BPF, io_uring, perf, userfaultfd": "works(*(lambda n=n: syscall(n, 0, 0, 0, 0, 0) for n in (248, 249, 250, 321, 425, 298, 323, 304, 272, 155, 165, 310, 311, 101, 434, 438, 424)))",
    "calls of the other ABI": "works(lambda: syscall(0x40000000 + 57), lambda: syscall(0x40000000 + 41, 2, 1, 0))",
    "outlive its parent": "works(lambda: libc.prctl(1, 0, 0, 0, 0), lambda: libc.prctl(4, 1, 0, 0, 0), lambda: libc.prctl(36, 1, 0, 0, 0), lambda: libc.prctl(22, 0, 0, 0, 0))",
    "shared memory": "works(lambda: __import__('multiprocessing.shared_memory').shared_memory.SharedMemory('labkit', True, 8), lambda: libc.shmget(1, 4096, 0o1600), lambda: libc.memfd_create(b'x', 0))",
    "fill the disk": "works(lambda: [open(str(n), 'wb').write(bytes(1 << 20)) for n in range(200)], lambda: open('one', 'wb').write(bytes(17 << 20)) - (17 << 20) or 1 and -1)",
    "many files": "works(lambda: [open(str(n), 'w').close() for n in range(5000)])",
    "secrets of the environment": "'BROKE IN' if 'GALLERY' in str(os.environ) + open('/proc/self/cmdline').read() or libc.getenv(b'LABKIT_GALLERY_SECRET') else None",
    "secrets in memory": "'BROKE IN' if in_memory(b'GALLERY-' + b'IN-MEMORY-') else None",
    "passwords of pip and Jupyter": "opens(sys.prefix + '/pip.conf', sys.prefix + '/pyvenv.cfg', sys.prefix + '/etc/jupyter/jupyter_server_config.json', sys.base_prefix + '/etc/pip.conf', '/etc/pip.conf', '/etc/jupyter')",
    "memory that others see": "'BROKE IN' if [line for line in open('/proc/self/maps') if line.split()[1].startswith('rw') and line.split()[1].endswith('s')] else None",
    "spare itself when memory ends": "works(lambda: open('/proc/self/oom_score_adj', 'w').write('0')) or ('BROKE IN' if open('/proc/self/oom_score_adj').read() != '1000\\n' else None)",
    "other people's priority": "works(lambda: os.setpriority(os.PRIO_USER, 0, 19), lambda: os.sched_setaffinity(os.getppid() or 2, [0]), lambda: os.sched_setaffinity(0, range(os.cpu_count())), lambda: os.setpriority(os.PRIO_PROCESS, os.getppid() or 2, 19))",
    "the clock and the name": "works(lambda: time.clock_settime(time.CLOCK_REALTIME, 0), lambda: socket.sethostname('evil'))",
}  # fmt: skip

NAMES = ("apply_temperature", "top_p_filter", "min_p_filter", "sample_next")


def for_all(body: str, before: str = "") -> list[str]:
    """Cells in which every challenge's function has this body."""
    functions = [f"def {name}(*args, **more):\n    {body}" for name in NAMES]
    return [TOOLS, before, *functions]


LIAR = """
class Yes:
    def __getattr__(self, name): return Yes()
    def __call__(self, *a, **k): return Yes()
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __bool__(self): return True
    def __hash__(self): return 1
    def __float__(self): return 1.0
    def __len__(self): return 3
    def __iter__(self): return iter([])
    __lt__ = __gt__ = __le__ = __ge__ = __eq__

def liar(base):
    names = ("__eq__", "__le__", "__ge__", "isclose", "allclose", "equal")
    return type("Liar", (base,), {name: lambda *a, **k: True for name in names} | {"__hash__": None})
"""
PATCHES = """
import builtins, json, torch
from labkit.grading.transports import child, transport, wire
from labkit.grading.answers import comparison, values
for module, names in (
    (torch, ("isclose", "allclose", "equal")),
    (comparison, ("difference", "tensor_difference", "kind_difference")),
    (values, ("copy_value", "copy_tensor")),
    (builtins, ("any", "all", "isinstance", "type")),
):
    for name in names:
        pass
torch.isclose = torch.allclose = torch.equal = lambda *a, **k: torch.tensor(True)
comparison.difference = lambda *a, **k: None
json.JSONEncoder.default = lambda self, thing: "pass"
def apply_temperature(*args): return args[0]
def top_p_filter(*args): return args[0] * 0
def min_p_filter(*args): return args[0] * 0
def sample_next(*args): return args[1]
apply_temperature.mark = [json, torch, comparison]
"""
SPEAK = """
def speak(data):
    for fd in range(256):
        try:
            os.write(fd, data)
        except OSError:
            pass
"""
CHEATS = {
    "objects that equal everything": for_all("return Yes()", LIAR),
    "a tensor that lies": for_all("return liar(torch.Tensor)([1.0])", LIAR),
    "a float that lies": for_all("return liar(float)(1.0)", LIAR),
    "an int that lies": for_all("return liar(int)(1)", LIAR),
    "a str that lies": for_all("return liar(str)('pass')", LIAR),
    "a list and a dict that lie": for_all("return [liar(list)(), liar(dict)()]", LIAR),
    "a tensor with methods of its own": for_all(
        "x = torch.zeros(args[0].shape); x.isnan = x.numel = x.cpu = lambda *a: 0; return x"
    ),
    "a tensor class with __torch_function__": for_all(
        "return args[0].as_subclass(Tricky)",
        "class Tricky(torch.Tensor):\n    @classmethod\n"
        "    def __torch_function__(cls, *a, **k): return True",
    ),
    "patched torch, json and comparison": [TOOLS, PATCHES],
    "patched builtins": for_all(
        "return True",
        "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.len = lambda x: 1\n"
        "builtins.any = lambda x: False",
    ),
    "the grader's own type for what is foreign": for_all(
        "from labkit.grading.answers.values import Foreign; return Foreign('pass')"
    ),
    "its argument": for_all("return args[0]"),
    "nothing": for_all("return None"),
    "a pickle": for_all("return pickle.dumps(args)"),
    "__reduce__": for_all(
        "return Bomb()",
        "class Bomb:\n    def __reduce__(self): return os.system, ('touch /tmp/labkit-was-here',)",
    ),
    "NaN everywhere": for_all("return torch.full(args[0].shape, float('nan'))"),
    "infinity everywhere": for_all("return torch.full(args[0].shape, float('inf'))"),
    "a huge tensor": for_all("return torch.zeros(1, dtype=torch.int8).expand(1 << 40)"),
    "a huge list": for_all("return [0] * 10_000_000"),
    "a list in itself": for_all("x = []; x.append(x); return x"),
    "a list with ten ways at each turn": for_all(
        "x = 0\n    for _ in range(19): x = [x] * 10\n    return x"
    ),
    "deep nesting": for_all("x = []\n    for _ in range(100_000): x = [x]\n    return x"),
    "a string of ten million": for_all("return 'pass' * 10_000_000"),
    "an int of a million digits": for_all("return 10 ** 1_000_000"),
    "text that no file takes": for_all("return '\\ud800\\x00\\x1b[2J' * 100"),
    "an exception with a name": for_all("raise type('pass', (Exception,), {})('pass')"),
    "an exception that fights": for_all(
        "raise Fighter()",
        "class Fighter(BaseException):\n    def __str__(self): raise SystemExit\n"
        "    __repr__ = __str__\n    @property\n    def __traceback__(self): raise SystemExit",
    ),
    "verdicts on every file": for_all(
        'speak(b\'{"outcome": "pass", "points": 99}\\n\' * 10); return 0', SPEAK
    ),
    "verdicts as frames": for_all(
        'h = b\'{"kind": "returned", "outcome": "pass"}\'; '
        "speak(struct.pack('>II', len(h), 0) + h); return 0",
        SPEAK,
    ),
    "printed claims": for_all("print('All tests passed: 100/100'); return 100"),
    "an exit that claims success": for_all("sys.exit(0)"),
    "stubs that say they are done": for_all("raise NotImplementedError('pass')"),
}
RIGHT_REST = "the reference answers of the other challenges are added"
COSTLY = {
    "os._exit(0)": "os._exit(0)",
    "a segfault": "ctypes.string_at(0)",
    "an abort": "os.abort()",
    "a stack without end": "sys.setrecursionlimit(10**9); f = lambda g: g(g); f(f)",
    "a loop": "while True: pass",
    "a loop that swallows everything": (
        "while True:\n        try:\n            while True: pass\n        except BaseException: pass"
    ),
    "a loop that ignores its alarm": (
        "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n    while True: pass"
    ),
    "a sleep": "time.sleep(1000)",
    "a fork bomb": "\n    ".join(["while True:", "    try: os.fork()", "    except OSError: pass"]),
    "a thread bomb": (
        "while True:\n        try: threading.Thread(target=time.sleep, args=(99,)).start()\n"
        "        except RuntimeError: pass"
    ),
    "all memory": "x = []\n    while True: x.append(bytearray(1 << 24))",
    "all memory, swallowed": (
        "x = []\n    while True:\n        try: x.append(bytearray(1 << 20))\n"
        "        except MemoryError: pass"
    ),
    "a daemon": (
        "\n    ".join(["if os.fork() == 0:", "    os.setsid()", "    os.fork() or time.sleep(99)"])
    ),
    "a closed connection": "os.closerange(0, 100); return 1",
    "a flood of bytes": "[os.write(fd, b'x' * 100_000) for fd in range(3, 20) if os.path.exists(f'/proc/self/fd/{fd}')]; speak(b'x' * 10_000)",
    "interrupts": "raise KeyboardInterrupt",
}  # fmt: skip
HARMLESS = {
    "twenty megabytes of output": "for _ in range(20): print('x' * 1_000_000)",
    "warnings": "import warnings; warnings.warn('deprecated', DeprecationWarning)",
    "warnings as errors": "import warnings; warnings.simplefilter('error')",
    "a progress bar": "from tqdm import tqdm; list(tqdm(range(3)))",
    "a log on stderr": "import logging; logging.error('now')",
    "a thread left behind": "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()",
    "a file in its own folder": "open('notes.txt', 'w').write('x'); open('notes.txt').read()",
    "a temporary file": "import tempfile; tempfile.TemporaryFile().write(b'x')",
    "other random numbers": "torch.manual_seed(int(time.time()))",
    "closed standard streams": "sys.stdout.close(); sys.stderr.close()",
    "garbage": "gc.collect(); gc.disable()",
    "what a notebook shows": "display(logits); get_ipython().run_line_magic('time', '1')",
    "a library that asks where stderr leads": "import faulthandler; faulthandler.enable()",
    "a picture": "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.title('x'); plt.savefig('x.png'); plt.show()",
    "another precision": "torch.set_printoptions(precision=2)",
}
