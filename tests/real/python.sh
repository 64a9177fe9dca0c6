#!/usr/bin/env bash
# Python: a package with pytest, venv, multiprocessing, sqlite, ssl.
# shellcheck source=tests/real/checks.bash
source "$(dirname "$0")/checks.bash"

a_package_with_pytest() {
    project package
    python3 -m venv .venv
    .venv/bin/pip install -q --no-index --find-links "$FUMEHOOD_TEST_CACHE/wheels" pytest
    mkdir -p src/counting tests
    printf 'def count(words):\n    return {w: words.count(w) for w in words}\n' >src/counting/__init__.py
    printf '[project]\nname = "counting"\nversion = "1"\n[tool.pytest.ini_options]\npythonpath = ["src"]\n' >pyproject.toml
    cat >tests/test_counting.py <<'PY'
import subprocess, sys, pytest, counting

@pytest.mark.parametrize("n", range(50))
def test_counts(n):
    assert counting.count(["a"] * n + ["b"]).get("a", 0) == n

def test_temporary_files(tmp_path):
    (tmp_path / "f").write_text("x")
    assert (tmp_path / "f").read_text() == "x"

def test_children():
    assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True).stdout == b"1\n"
PY
    printf '.venv\n__pycache__\n.pytest_cache\n' >.gitignore
    commit_all
    has "$(inside -- .venv/bin/pytest -q)" "52 passed"
    has "$(inside -- .venv/bin/python -m pytest -q)" "52 passed"
    has "$(PATH=$PWD/.venv/bin:$PATH VIRTUAL_ENV=$PWD/.venv inside -- pytest -q)" "52 passed"
    same "status" "" "$(git status --porcelain)"
}

a_venv_made_inside() {
    project venv
    inside -- sh -euc 'python3 -m venv made && made/bin/python -c "import sys; assert sys.prefix != sys.base_prefix" && made/bin/pip --version'
    same "prefix outside" "$PWD/made" "$(made/bin/python -c 'import sys; print(sys.prefix)')"
}

many_processes() {
    project processes
    cat >pool.py <<'PY'
import multiprocessing as mp, concurrent.futures as cf, threading, tempfile, mmap
from multiprocessing import shared_memory

def square(n):
    return n * n

if __name__ == "__main__":
    for method in "fork", "spawn", "forkserver":
        with mp.get_context(method).Pool(4) as pool:
            assert sum(pool.map(square, range(1000))) == 332833500
    with cf.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, [1, 2, 3])) == [1, 4, 9]
    memory = shared_memory.SharedMemory(create=True, size=1 << 20)
    memory.buf[0] = 1
    memory.close(), memory.unlink()
    mp.Manager().list([1]).append(2)
    q = mp.Queue(); q.put(1); assert q.get() == 1
    print("pool works")
PY
    has "$(inside -- python3 pool.py)" "pool works"
}

what_comes_with_it() {
    project library
    cat >library.py <<'PY'
import asyncio, ctypes, os, pty, select, signal, socket, sqlite3, ssl, tempfile, zoneinfo

db = sqlite3.connect("data.db")
db.execute("pragma journal_mode = wal")
db.execute("create table t (n)")
db.executemany("insert into t values (?)", [(n,) for n in range(1000)])
db.commit()
assert db.execute("select sum(n) from t").fetchone() == (499500,)
assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 0
assert zoneinfo.ZoneInfo("Europe/Berlin")
ctypes.CDLL(None).getpid()
pid, master = pty.fork()
if pid == 0:
    os.execvp("tty", ["tty"])
assert b"/dev/pts/" in os.read(master, 100)
os.waitpid(pid, 0)
a, b = socket.socketpair(); a.send(b"x"); assert b.recv(1) == b"x"
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname()); server.accept()

async def child():
    p = await asyncio.create_subprocess_exec("echo", "hi", stdout=-1)
    return (await p.communicate())[0]

assert asyncio.run(child()) == b"hi\n"
signal.setitimer(signal.ITIMER_REAL, 0.01)
try:
    socket.create_connection(("192.0.2.1", 80), 2)
except OSError as e:
    print("library works, network:", e.strerror)
PY
    sed -i 's/^signal.setitimer.*$//' library.py
    has "$(inside -- python3 library.py)" "library works, network: Network is unreachable"
    same "rows outside" 499500 "$(python3 -c 'import sqlite3; print(sqlite3.connect("data.db").execute("select sum(n) from t").fetchone()[0])')"
}

# As `pip install --user` leaves it, and a shim of a version manager.
user_packages() {
    project user-packages
    local version
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    mkdir -p "$HOME/.local/lib/python$version/site-packages" "$HOME/.local/bin" "$HOME/.pyenv/shims" "$HOME/.pyenv/versions/own/bin"
    echo 'def main(): print("a user package")' >"$HOME/.local/lib/python$version/site-packages/ownpackage.py"
    printf '#!/usr/bin/python3\nimport ownpackage\nownpackage.main()\n' >"$HOME/.local/bin/owntool"
    printf '#!/bin/sh\nexec "%s/.pyenv/versions/own/bin/shimmed" "$@"\n' "$HOME" >"$HOME/.pyenv/shims/shimmed"
    printf '#!/bin/sh\necho through the shim\n' >"$HOME/.pyenv/versions/own/bin/shimmed"
    chmod +x "$HOME/.local/bin/owntool" "$HOME/.pyenv/shims/shimmed" "$HOME/.pyenv/versions/own/bin/shimmed"
    export PATH=$HOME/.local/bin:$HOME/.pyenv/shims:$PATH
    touch requirements.txt
    has "$(inside -- owntool)" "a user package"
    has "$(inside -- shimmed)" "through the shim"
}

check 120 "a package with pytest in its venv" a_package_with_pytest
check 60 "python3 -m venv inside" a_venv_made_inside
check 60 "multiprocessing: fork, spawn, forkserver, shared memory" many_processes
check 30 "sqlite, ssl, asyncio, pty, loopback; no network" what_comes_with_it
check 30 "user packages and shims of a version manager" user_packages
finish
