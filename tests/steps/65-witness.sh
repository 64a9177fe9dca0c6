#!/bin/bash
# The account's head before a witness that is not ours (aics-witness, a C2SP tlog-witness from the Python package index),
# and in the system journal: who rolls back or rewrites the whole state directory is found out.
set -uo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
fumehood=${FUMEHOOD_BIN:-$target/debug/fumehood}
passed=0 failed=0
w=$(mktemp -d "${TMPDIR:-/tmp}/fumehood-witness-XXXXXX")
server= tls=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null
    [ -z "$tls" ] || kill "$tls" 2>/dev/null
    rm -rf "$w"
}
trap finish EXIT

check() {
    local name=$1
    shift
    if "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "not ok: $name"; fi
}
contains() { grep -qF -- "$2" <<<"$1" || { echo "    no \"$2\" in:"; sed 's/^/    /' <<<"$1"; return 1; }; }

# It wants Python 3.12.
python=
for one in python3 python3.14 python3.13 python3.12 "${HOME}"/.pyenv/versions/3.1[2-9]*/bin/python3; do
    if "$one" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$one; break; fi
done
[ -n "$python" ] || { echo "no Python of version 3.12 or later, which the witness wants: install one"; exit 1; }
"$python" -m venv "$w/venv" && "$w/venv/bin/pip" install --quiet --disable-pip-version-check aics-witness==0.1.0 || exit 1

# An account of its own.
mkdir -p "$w/project" "$w/home" "$w/config/fumehood" "$w/state" && chmod 700 "$w/home" "$w/config" "$w/config/fumehood" "$w/state"
in_account() {
    (cd "$w/project" && env -i PATH="$PATH" HOME="$w/home" XDG_CONFIG_HOME="$w/config" XDG_STATE_HOME="$w/state" \
        ${authority:+SSL_CERT_FILE="$authority"} LANG=C.UTF-8 timeout 60 "$@" 2>&1)
}
audit() { in_account "$fumehood" audit "$@"; }
run() { in_account "$fumehood" run --live -- true; }

run >/dev/null
check "unwitnessed" contains "$(audit verify)" "self-signed: detects accident and outsiders, not the owner of this account"

# The witness, told of this log.
export AICS_WITNESS_CONFIG=$w/witness/witness.json
witness() { "$w/venv/bin/aics-witness" "$@" 2>&1; }
mkdir -m 700 "$w/witness"
port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
key=$(witness init --name witness.example/w1 | grep -o 'witness\.example/w1+[0-9a-f]*+[A-Za-z0-9+/=]*' | head -n 1)
log_key=$(audit witness --key)
origin=${log_key%%+*}
witness add-log --origin "$origin" --vkey "$log_key" >/dev/null || { echo "the witness does not take $log_key"; exit 1; }
"$w/venv/bin/aics-witness" serve --listen "127.0.0.1:$port" >"$w/witness/out" 2>&1 &
server=$!
for _ in $(seq 100); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
    sleep 0.1
done
printf 'version = 1\n[audit]\nwitness = ["http://127.0.0.1:%s %s"]\n' "$port" "$key" >"$w/config/fumehood/config.toml"

check "witnessed" contains "$(audit verify | head -n 1)" "witnessed until 2"
check "by name" contains "$(audit verify | head -n 1)" "by witness.example/w1; of the 0 records after that: self-signed"
check "the verb" contains "$(audit witness)" "records, witnessed until 2"

# A run tells the witness by itself: its database has the head that is the index's last.
for _ in 1 2 3; do run >/dev/null; done
told() {
    local size
    for _ in $(seq 600); do
        size=$(tail -n 5 "$w/state/fumehood/audit/account/checkpoints" | sed -n 2p)
        witness status --json | grep -q "\"size\": *$size" && return 0
        sleep 0.1
    done
    witness status --json
    return 1
}
check "a run tells it" told
check "consistency" contains "$(audit verify | head -n 1)" "witnessed until 2"

# The whole state directory as it was before, private key and all.
cp -a "$w/state" "$w/before"
run >/dev/null
audit verify >/dev/null
check "rolled forward" told
mv "$w/state" "$w/after" && cp -a "$w/before" "$w/state"
out=$(audit verify)
check "a rollback is found" [ $? -eq 125 ]
check "and said" contains "$out" "witness witness.example/w1: rolled back: the witness saw"

# Gone on with from there, until it is longer than what was seen.
mv "$w/config/fumehood/config.toml" "$w/config/aside"
for _ in 1 2 3; do run >/dev/null; done
check "by itself it verifies" contains "$(audit verify)" "self-signed"
mv "$w/config/aside" "$w/config/fumehood/config.toml"
out=$(audit verify)
check "a rewritten log is found" [ $? -eq 125 ]
check "and said so" contains "$out" "another log: the first"
rm -rf "$w/state" && mv "$w/after" "$w/state"
check "the real one is good" contains "$(audit verify | head -n 1)" "witnessed until 2"

# The same over TLS: a relay before it, whose certificate is for its name and of an authority that the account may know.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$w/ca.key" -out "$w/ca.pem" -days 2 \
    -subj "/CN=test authority" >"$w/openssl" 2>&1 &&
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$w/tls.key" -out "$w/tls.csr" \
        -subj "/CN=localhost" >>"$w/openssl" 2>&1 &&
    openssl x509 -req -in "$w/tls.csr" -CA "$w/ca.pem" -CAkey "$w/ca.key" -days 2 -out "$w/tls.pem" \
        -extfile <(echo "subjectAltName=DNS:localhost") >>"$w/openssl" 2>&1 || { cat "$w/openssl"; exit 1; }
cat >"$w/relay.py" <<'PY'
import socket, socketserver, ssl, sys, threading
folder, port, seen = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/tls.pem", folder + "/tls.key")
class Relay(socketserver.BaseRequestHandler):
    def handle(self):
        try:
            client = context.wrap_socket(self.request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        server = socket.create_connection(("127.0.0.1", port))
        def forth():
            while part := client.recv(65536):
                with open(seen, "ab") as out:
                    out.write(part)
                server.sendall(part)
        threading.Thread(target=forth, daemon=True).start()
        while part := server.recv(65536):
            client.sendall(part)
        client.close()
class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
server = Server(("127.0.0.1", 0), Relay)
print(server.server_address[1], flush=True)
server.serve_forever()
PY
"$python" "$w/relay.py" "$w" "$port" "$w/seen" >"$w/relay.port" 2>"$w/relay.err" &
tls=$!
for _ in $(seq 100); do [ -s "$w/relay.port" ] && break; sleep 0.1; done
secure=$(cat "$w/relay.port")
: >"$w/seen"
printf 'version = 1\n[audit]\nwitness = ["https://localhost:%s %s"]\n' "$secure" "$key" >"$w/config/fumehood/config.toml"
authority=$w/ca.pem
check "over TLS" contains "$(audit witness)" "records, witnessed until 2"
check "by what the relay saw" contains "$(head -n 1 "$w/seen")" "POST /add-checkpoint HTTP/1.1"
: >"$w/seen"
authority=
check "an authority that nobody knows" contains "$(audit witness)" "not asked: invalid peer certificate"
printf 'version = 1\n[audit]\nwitness = ["https://127.0.0.1:%s %s"]\n' "$secure" "$key" >"$w/config/fumehood/config.toml"
authority=$w/ca.pem
check "another name" contains "$(audit witness)" "not asked: invalid peer certificate"
authority=
check "and nothing was said to it" [ ! -s "$w/seen" ]
kill "$tls" && wait "$tls" 2>/dev/null
tls=
printf 'version = 1\n[audit]\nwitness = ["http://127.0.0.1:%s %s"]\n' "$port" "$key" >"$w/config/fumehood/config.toml"

# A witness that is gone: what it countersigned counts, and that it was not asked is said.
kill "$server" && wait "$server" 2>/dev/null
server=
out=$(audit verify)
check "its last word counts" contains "$out" "witnessed until 2"
check "that it is gone is said" contains "$out" "witness witness.example/w1: not asked: "

# The system journal: a socket in its place, in a mount namespace, writes down what comes.
cat >"$w/journal.py" <<'PY'
import os, socket, struct, subprocess, sys
os.makedirs("/run/systemd/journal", exist_ok=True)
subprocess.run(["mount", "-t", "tmpfs", "none", "/run/systemd/journal"], check=True)
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.bind("/run/systemd/journal/socket")
os.chmod("/run/systemd/journal/socket", 0o666)
journal.settimeout(60)
run = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE)
with open(sys.argv[1], "w") as out:
    for at_end in (False, True):  # with a session's first head, and at its end
        if at_end:
            run.communicate()
            assert run.returncode == 0, run.returncode
        message = journal.recv(1 << 16)
        assert message.startswith(b"MESSAGE\n"), message
        length, = struct.unpack("<Q", message[8:16])
        out.write(message[16:16 + length].decode())
        rest = message[16 + length:].decode()
        assert "\nSYSLOG_IDENTIFIER=fumehood\n" in rest, rest
PY
rm "$w/config/fumehood/config.toml"
in_account unshare --mount "$python" "$w/journal.py" "$w/heads" "$fumehood" run --live -- cat
check "the journal has the heads" [ "$(grep -c "^$origin\$" "$w/heads")" -eq 2 ]
check "which verify takes" contains "$(audit verify --against "$w/heads" | head -n 1)" "remembered until record"
rm -rf "$w/state" && cp -a "$w/before" "$w/state"
out=$(audit verify --against "$w/heads")
check "and finds a rollback by" contains "$out" "rolled back"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
