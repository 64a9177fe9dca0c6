#!/bin/bash
# The gate for PostgreSQL before a real server (the distribution's, as an unprivileged user, on loopback) with real clients:
# psql, psycopg, node-pg and pgbench. What must not happen is looked at in the tables, past the gate.
set -uo pipefail
cd "$(dirname "$0")/../.."
. packaging/test/checks.sh

target=${CARGO_TARGET_DIR:-$PWD/target}
fumehood=${FUMEHOOD_BIN:-$target/debug/fumehood}
fumehood=$(realpath "$fumehood")
for pair in /usr/bin/python3:python3 psql:postgresql-client initdb-of-a-version:postgresql script:bsdutils python3:python3 npm:npm; do
    command=${pair%%:*} package=${pair#*:}
    if [ "$command" = initdb-of-a-version ]; then
        ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 && continue
        command=pg_config package=postgresql
    fi
    need "$command" "$package"
done
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
w=$(mktemp -d /tmp/fumehood-postgres-XXXXXX)
chmod 755 "$w"
owner=fh-pg-$$
useradd -M -s /bin/sh "$owner"
as_owner() { setpriv --reuid "$owner" --regid "$owner" --clear-groups -- "$@"; }
end() {
    as_owner "$bin/pg_ctl" -D "$w/data" -m immediate stop >/dev/null 2>&1
    userdel "$owner" 2>/dev/null
    rm -rf "$w"
}
trap end EXIT

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
password='a password of 27 characters'
printf '%s' "$password" >"$w/password"
chmod 644 "$w/password"
mkdir "$w/data" && chown "$owner" "$w/data"
as_owner "$bin/initdb" -D "$w/data" -U app --pwfile="$w/password" --auth=scram-sha-256 -E UTF8 --locale=C >/dev/null || exit 1
as_owner "$bin/pg_ctl" -D "$w/data" -w -l "$w/data/log" \
    -o "-p $port -k $w/data -c listen_addresses=127.0.0.1 -c fsync=off -c temp_file_limit=64MB" start >/dev/null || { cat "$w/data/log"; exit 1; }

# Past the gate.
direct() { PGPASSWORD=$password psql -X -h 127.0.0.1 -p "$port" -U app -d "${2:-shop}" -Atqc "$1"; }
direct 'create database shop' postgres
direct "create table t (id int primary key, v text); create table big (id int);
    create function wipe() returns int language plpgsql as 'begin delete from t; return 1; end';
    create function harmless() returns int language plpgsql immutable as 'begin perform wipe(); return 1; end';
    create view innocent as select wipe() as n; create view planned as select harmless() as n, 1 as id;
    create function wider() returns trigger language plpgsql as 'begin insert into big values (1); return new; end'"
fill() { direct "truncate t; insert into t select g, 'v' || g from generate_series(1, 1000) g"; }
rows() { direct 'select count(*) from t'; }
fill

# An account of its own, with the database in its configuration.
mkdir "$w/project"
# The clients that are libraries, where the project has them: the distribution's packages do not go with every Node.js.
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
    --target "$w/project/py" psycopg==3.2.9 typing_extensions || exit 1
python="env PYTHONPATH=py /usr/bin/python3"
(cd "$w/project" && timeout 300 npm install --silent --no-audit --no-fund --no-save pg@8.16.3) || exit 1
mkdir -p "$w/home" "$w/config/fumehood" "$w/state" && chmod 700 "$w/home" "$w/config" "$w/config/fumehood" "$w/state"
configure() {
    printf 'version = 1\n[postgres.dev]\nat = "app@localhost:%s/shop"\npassword = "env:SHOP_PASSWORD"\n%s\n' "$port" "$1" \
        >"$w/config/fumehood/config.toml"
}
configure ''
account() {
    (cd "$w/project" && env -i PATH="$PATH" HOME="$w/home" XDG_CONFIG_HOME="$w/config" XDG_STATE_HOME="$w/state" \
        LANG=C.UTF-8 TERM=xterm SHOP_PASSWORD="$password" timeout 300 "$@" 2>&1)
}
inside() { account "$fumehood" run --holds "${holds:-deny}" --env PGHOST=localhost --env PGPORT="$port" --env PGUSER=app \
    --env PGDATABASE=shop --env PAGER=cat -- "$@"; }
sql() { inside psql -X -v ON_ERROR_STOP=1 -Atc "$1"; }
says() {
    local text=$1
    shift
    local log
    log=$("$@")
    printf '%s\n' "$log"
    grep -qF -- "$text" <<<"$log"
}
# blocked WHAT TEXT SQL: it says why, and the table is as it was.
blocked() { check "$1" is_blocked "$2" "$3"; }
is_blocked() { says "$1" sql "$2" && [ "$(rows)" = 1000 ]; }

check "a reading" says 1000 sql 'select count(*) from t'
check "several" says 7 sql 'select 3; select 7'
check "what psql asks by itself" says 'public|t|table|app' inside psql -X -Atc '\dt'
check "an update of one row flies" says 'UPDATE 1' sql "update t set v = 'x' where id = 3"
check "and is done" test "$(direct 'select v from t where id = 3')" = x
check "taken back by its client" says 'ROLLBACK' sql "begin; delete from t where id = 4; rollback"
check "one row is still there" test "$(direct 'select count(*) from t where id = 4')" = 1
check "the password is not inside" sh -c '! grep -qF "$1" <<EOF
$2
EOF' sh "$password" "$(inside sh -c 'env; cat /proc/*/environ 2>/dev/null | tr "\0" "\n"')"

# F10 (research/review-security.md), each with its cause; the table is looked at afterwards.
blocked "EXPLAIN runs no function that deletes" 'calls `harmless`' 'explain select * from t where id = harmless()'
blocked "EXPLAIN of a view that deletes while it is planned" 'read-only transaction' 'explain select * from planned where n = id'
blocked "a view that deletes" 'read-only transaction' 'select * from innocent'
blocked "the same within a transaction" 'read-only transaction' 'begin; select * from innocent; commit'
blocked "EXPLAIN ANALYZE of a change" 'read-only transaction' 'explain analyze delete from t'
blocked "a large object" 'calls `lo_create`' 'select lo_create(0)'
blocked "a setting by a function" 'calls `set_config`' "select set_config('standard_conforming_strings', 'off', false)"
blocked "a setting by SET" 'standard_conforming_strings' 'set standard_conforming_strings = off'
blocked "another role" 'another role' 'set role pg_read_all_data'
blocked "a text that is one constant stays one" "delete from t where id>500" "select 'a\\''; delete from t where id>500; --'"
check "options at the start are refused" says 'the setting `options` cannot be chosen' \
    inside env PGOPTIONS='-c standard_conforming_strings=off' psql -X -Atc 'select 1'
check "another database of the server" says 'database postgres is not shop' inside psql -X -d postgres -Atc 'select 1'

# Rows 33 to 44.
blocked "no WHERE" 'no WHERE (1000 rows): t' 'delete from t'
blocked "a WHERE that selects nothing" 'compares no column' 'update t set v = 1 where 1 = 1'
blocked "more rows than fly" 'deletes rows (500 rows): t' 'delete from t where id > 500'
blocked "TRUNCATE" 'empties tables' 'truncate t'
blocked "DROP" 'drops a table' 'drop table t'
blocked "DO" 'runs code in the database' "do 'begin delete from t; end'"
blocked "stacked behind a commit" 'drops a table' 'select 1; commit; drop table t'
blocked "within a query" 'changes rows within a query' 'with x as (delete from t returning *) select * from x'
blocked "COPY to a program" "the server's files or programs" "copy t to program 'true'"
blocked "a whole table out" 'copies a whole table out' 'copy t to stdout'
blocked "roles" 'who may do what' 'grant all on t to public'
check "COPY of a query" says '1	v1' sql 'copy (select * from t where id = 1) to stdout'
check "COPY in" says 'COPY 2' inside sh -c "printf '2001\ta\n2002\tb\n' | psql -X -Atc 'copy t from stdin'"
check "COPY in that breaks off" says 'ERROR' inside sh -c "printf '2003\n' | psql -X -Atc 'copy t from stdin'"
check "what was copied, taken away again" says 'DELETE 2' sql 'delete from t where id > 2000'
check "TLS from the client to the gate" says 'TLS 5' inside sh -c \
    'psql -X "sslmode=verify-full sslrootcert=$SSL_CERT_FILE" -Atc "select chr(84) || chr(76) || chr(83) || chr(32) || 5"'

# Psycopg: prepared statements on the server, pipelines, parameters, COPY.
cat >"$w/project/client.py" <<'P'
import psycopg
with psycopg.connect("", autocommit=True) as c:
    for _ in range(8):
        assert c.execute("select v from t where id = %s", [5]).fetchone() == ("v5",)
    assert c.execute("update t set v = %s where id = %s", ["y", 5]).rowcount == 1
    for sql in ["delete from t", "select lo_create(%s::int)"]:
        try:
            c.execute(sql, [0] if "%s" in sql else None)
        except psycopg.errors.InsufficientPrivilege as e:
            assert "fumehood: held" in str(e), e
        else:
            raise SystemExit(sql)
    with c.cursor() as cursor, cursor.copy("copy t from stdin") as copy:
        copy.write_row((3001, "z"))
    assert c.execute("delete from t where id = 3001 returning v").fetchall() == [("z",)]
    with c.transaction():
        assert c.execute("select count(*) from t").fetchone() == (1000,)
        c.execute("update t set v = 'q' where id = 6")
    # What follows a statement that waits or failed is not run.
    try:
        with c.pipeline():
            c.execute("select 1")
            c.execute("delete from t")
            c.execute("update t set v = 'later' where id = 9")
    except psycopg.Error:
        pass
    assert c.execute("select v from t where id = 9").fetchone() == ("v9",)
    with c.cursor(name="served", withhold=False) if False else c.cursor() as cursor:
        cursor.execute("select id from t order by id")
        assert len(cursor.fetchall()) == 1000
print("psycopg is content")
P
check "psycopg" says 'psycopg is content' inside $python client.py
cat >"$w/project/client.js" <<'P'
const { Client } = require('pg');
(async () => {
  const c = new Client();
  await c.connect();
  const one = await c.query({ name: 'one', text: 'select v from t where id = $1', values: [7] });
  const two = await c.query({ name: 'one', text: 'select v from t where id = $1', values: [8] });
  if (one.rows[0].v !== 'v7' || two.rows[0].v !== 'v8') throw new Error('rows');
  let held = 0;
  for (const text of ['truncate t', 'select harmless()']) await c.query(text).catch((e) => { if (/fumehood: held/.test(e.message)) held++; });
  if (held !== 2) throw new Error('held ' + held);
  await c.query('begin');
  await c.query('update t set v = $1 where id = $2', ['n', 7]);
  await c.query('rollback');
  await c.end();
  console.log('node-pg is content');
})().catch((e) => { console.error(e); process.exit(1); });
P
check "node-pg" says 'node-pg is content' inside node client.js
check "both changed what they said, and no more" test "$(direct "select string_agg(v, ',' order by id) from t where id in (5, 6, 7, 9)"),$(rows)" = y,q,v7,v9,1000

# A person: asked with the number of rows, and bound to it. What was sent behind it waits.
holds=wait
waits() {
    for _ in $(seq 600); do
        held | grep -qE "$1" && return
        sleep 0.1
    done
    held
    return 1
}
# Holds are shown and answered at a terminal.
held() { account script -qec "$fumehood holds" /dev/null | tr -d '\r'; }
answer() { # ID: with the code of its card, from a terminal of its own
    local code
    code=$(held | awk -v id="$1" '$1 == id { print $2; exit }')
    account script -qec "$fumehood allow $1 $code" /dev/null
}
direct 'create trigger wider after delete on t for each statement execute function wider()' 2>/dev/null
inside psql -X -At -c 'delete from t; select 11 * 11' >"$w/held" 2>&1 &
client=$!
check "it waits with the number of its rows" waits 't on postgres://localhost'
check "and nothing is gone meanwhile" test "$(rows)" = 1000
check "nor was what follows it answered" sh -c '! grep -q 121 "$1"' sh "$w/held"
answer 1 >"$w/answer"
wait "$client"
check "allowed it is done" grep -q 'DELETE 1000' "$w/held"
check "and what was sent behind it" grep -q 121 "$w/held"
check "its client was told that it waits" grep -q 'fumehood: waiting for approval' "$w/held"
check "the table is empty" test "$(rows)" = 0
direct 'drop trigger if exists wider on t'
fill

# Between the answer and the release the table grows: the bound is kept in the same transaction.
inside psql -X -At -c 'begin; select 5; delete from t; commit' >"$w/held" 2>&1 &
client=$!
check "a second one waits" waits 't on postgres://localhost'
direct "insert into t values (5000, 'new')"
answer 1 >"$w/answer"
check "with one row more it is asked anew" waits '^ +2 '
check "with that number" grep -qF "(1001 rows)" "$w/held"
check "and was taken back" test "$(rows)" = 1001
account script -qec "$fumehood deny 2 keep it" /dev/null >/dev/null
wait "$client"
check "denied with the words of who denied" grep -q 'keep it' "$w/held"
check "the table is as it was" test "$(rows)" = 1001
direct 'delete from t where id = 5000'
holds=deny

# Cancelled by its client, on the server too.
cat >"$w/project/cancel.sh" <<'P'
psql -X -Atc 'select count(*) from (select generate_series(1, 1000000000000)) as endless' &
one=$!
running="select count(*) from pg_stat_activity where state = 'active' and query like '%1000000000000%' and pid <> pg_backend_pid()"
# Once the server runs it, not before.
until [ "$(psql -X -Atc "$running")" = 1 ]; do sleep 0.1; done
# One that comes between the messages of a statement is lost, as it would be to any client that sends several.
while kill -INT "$one" 2>/dev/null; do sleep 0.5; done
wait "$one"
P
check "a statement is cancelled" says 'canceling statement' inside sh cancel.sh

# Messages whose length lies.
cat >"$w/project/lies.py" <<'P'
import errno, os, socket, struct
def begin():
    s = socket.create_connection(("localhost", int(os.environ["PGPORT"])))
    s.settimeout(20)
    body = b"user\0app\0database\0shop\0\0"
    s.sendall(struct.pack(">ii", len(body) + 8, 196608) + body)
    seen = b""
    while b"Z\0\0\0\5I" not in seen:
        seen += s.recv(4096)
    return s
for lie in [b"Q\0\0\0\3", b"Q\xff\xff\xff\xff", b"Q\x7f\xff\xff\xffdelete from t\0", b"Q\0\0\0\x14delete from t\0drop",
            b"B\0\0\0\x10\0\0\0\0\0\x09\0\0\0\1a", b"\xf0\0\0\0\4", b"P\0\0\0\x16\0delete from t\0\0\1\0"]:
    s = begin()
    seen = b""
    try:
        s.sendall(lie)
        s.shutdown(socket.SHUT_WR)
        while piece := s.recv(4096):
            seen += piece
    except OSError as e:
        # The gate ends the connection as soon as it knows; silence would be no end.
        assert e.errno in (errno.ECONNRESET, errno.ENOTCONN, errno.EPIPE), e
    assert b"DELETE" not in seen and b"C\0\0\0" not in seen, (lie, seen)
print("no lie was believed")
P
check "lengths that lie" says 'no lie was believed' inside $python lies.py
check "and nothing of them was run" test "$(rows)" = 1000

# What the configuration says.
configure 'on = { write = "hold", destroy = "deny" }'
check "writes held where it is said" says 'held, not sent' sql "update t set v = 'no' where id = 1"
check "denied where it is said" says 'sql.destroy is denied' sql 'drop table t'
configure 'on = { destroy = "allow" }'
check "allowed where it is said" says 'TRUNCATE' sql 'truncate t'
check "and done" test "$(rows)" = 0
fill
printf '[[deny]]\neffect = "sql.*"\n' >>"$w/config/fumehood/config.toml"
check "a rule on effects speaks against readings too" says 'sql.read is denied' sql 'select 1'
configure ''
SAVED=$password password='another one that is wrong'
check "a wrong password is the server's to refuse" says 'password authentication failed' sql 'select 1'
password=$SAVED

# The tool: a question and nothing else, by a model's own text. What it must not do is looked at past the gate, or by a canary.
canary=$w/project/canary
configure 'on = { write = "allow", ddl = "allow", destroy = "allow" }'
sed -i '1a offer = ["sql_query"]' "$w/config/fumehood/config.toml"
printf '[tool.look]\ndescription = "d"\nargv = ["psql", "-X", "-w", "-h", "localhost", "-p", "%s", "-U", "app", "-d", "shop", "-Atc", "select 5 * 5"]\n' "$port" \
    >>"$w/config/fumehood/config.toml"
json() { python3 -c 'import json, sys; print(json.dumps({"sql": sys.argv[1]}))' "$1"; }
query() { account "$fumehood" tool call sql_query "$(json "$1")" "${@:2}"; }
refuses() { # TEXT SQL: it says why, and neither table nor project is another
    says "$1" query "$2" && [ "$(rows)" = 1000 ] && [ ! -e "$canary" ]
}
check "the tool reads" says '1000' query 'select count(*) from t'
check "as CSV, with an absent value" says 'a,NULL' query "select 'a' as x, null as y"
check "and says whose words they are" says '"untrusted":true' query 'select 1' --json
check "the tool is said to read a database" says 'reads the database dev; changes are thrown away' account "$fumehood" tool explain sql_query "$(json 'select 1')"
check "this run may write" says 'UPDATE 1' sql "update t set v = v where id = 1"
check "the tool may not, whatever the configuration lets sessions do" refuses 'sql.write is denied' "update t set v = 'x' where id = 1"
check "nor one row in" refuses 'sql.write is denied' "insert into t values (9000, 'x')"
check "nor all out" refuses 'sql.destroy is denied' 'delete from t'
check "nor behind a reading" refuses 'sql.destroy is denied' 'select 1; drop table t'
check "nor in a transaction of its own" refuses 'sql.destroy is denied' 'begin read write; truncate t; commit'
check "nor by a view that deletes" refuses 'read-only transaction' 'select * from innocent'
check "nor by code" refuses 'held' "do 'begin delete from t; end'"
check "nor by the server's programs" refuses "the server's files or programs" "copy t to program 'touch $canary'"
check "nor by a change within a query" refuses 'sql.write is denied' 'with x as (delete from t returning *) select * from x'
check "nor by a file of the server's" refuses 'held' "select pg_read_file('/etc/passwd')"
check "nor by a role" refuses 'held' 'grant all on t to public'
check "psql's own words are refused" refuses 'a word of the client' '\! touch canary'
check "also behind blanks" refuses 'a word of the client' '
  \! touch canary'
check "and are no words in the middle" refuses 'cannot be told into statements' 'select 1; \! touch canary'
check "nor is a variable of psql's one" refuses 'ERROR' 'select :HOST'
account "$fumehood" tool call look >"$w/look" 2>&1
check "a tool that names no network reaches no database" sh -c '! grep -q "^25" "$1" && grep -q "failed: " "$1"' sh "$w/look"
check "where a session does" says 25 sql 'select 5 * 5'
configure ''
check "where no file says so there is no such tool" says 'there is no tool sql_query' query 'select 1'

# Pgbench, in its three ways of asking.
PGPASSWORD=$password "$bin/pgbench" -h 127.0.0.1 -p "$port" -U app -iq -s 1 shop >/dev/null 2>&1
for mode in simple extended prepared; do
    check "pgbench reads ($mode)" says 'number of failed transactions: 0' inside "$bin/pgbench" -n -S -M "$mode" -c 2 -t 100 shop
    check "pgbench writes ($mode)" says 'number of failed transactions: 0' inside "$bin/pgbench" -n -M "$mode" -c 2 -t 30 shop
done
check "and the sums are right" test "$(direct 'select sum(abalance) = (select sum(delta) from pgbench_history) from pgbench_accounts')" = t

finish
