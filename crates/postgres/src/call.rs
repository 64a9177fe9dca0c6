//! Which functions a statement calls, by its tokens: a name before `(` is a call unless it is one of the words that
//! SQL itself puts there. Whatever the grammar's tree leaves out, this does not.

use crate::lex::{Spanned, Token};

/// Built-in functions that only compute, or only read what the database's own rights protect.
const FUNCTIONS: &str = include_str!("functions.txt");

/// Words that could also be a function's name, and what stands before them where they are not.
const FOLLOWING: &[(&str, &[&str])] = &[
    ("by", &["group", "order", "partition"]),
    ("conflict", &["on"]),
    ("cube", &["by"]),
    ("filter", &[")"]),
    ("key", &["primary", "foreign"]),
    ("materialized", &["as", "not"]),
    ("over", &[")"]),
    ("rollup", &["by"]),
    ("sets", &["grouping"]),
];

/// Words before `(` that call nothing, and that no function can be named by.
const SYNTAX: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "case",
    "cast",
    "check",
    "coalesce",
    "collate",
    "cross",
    "default",
    "desc",
    "distinct",
    "do",
    "else",
    "except",
    "exists",
    "extract",
    "from",
    "full",
    "greatest",
    "group",
    "grouping",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "interval",
    "is",
    "isnull",
    "join",
    "lateral",
    "least",
    "left",
    "like",
    "limit",
    "natural",
    "normalize",
    "not",
    "notnull",
    "nullif",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlay",
    "position",
    "primary",
    "returning",
    "right",
    "row",
    "select",
    "set",
    "similar",
    "some",
    "substring",
    "symmetric",
    "then",
    "trim",
    "union",
    "unique",
    "using",
    "values",
    "when",
    "where",
    "with",
    // types with a length
    "bit",
    "char",
    "character",
    "dec",
    "decimal",
    "float",
    "nchar",
    "numeric",
    "time",
    "timestamp",
    "timestamptz",
    "timetz",
    "varbit",
    "varchar",
    "varying",
];

/// The allow-list, sorted: a test holds it so.
fn is_allowed(name: &str) -> bool {
    // A few hundred lines: a search by halves over the lines' starts would need an index, and a set an allocation.
    static ALL: std::sync::LazyLock<Vec<&str>> = std::sync::LazyLock::new(|| {
        FUNCTIONS
            .lines()
            .filter(|l| !l.starts_with('#') && !l.is_empty())
            .collect()
    });
    ALL.binary_search(&name).is_ok()
}

/// The first function that a statement calls and that is not of the list.
pub(crate) fn foreign(tokens: &[Spanned<'_>]) -> Option<String> {
    let mut at = 0;
    while let Some(found) = tokens.get(at..).and_then(|rest| {
        let next = rest
            .windows(2)
            .position(|w| w.get(1).is_some_and(|t| t.token == Token::Sign(b'(')));
        next.map(|n| at + n)
    }) {
        if let Some(name) = named(tokens, found) {
            return Some(name);
        }
        at = found + 1;
    }
    None
}

/// The name before a parenthesis, if it is one that may not be called.
fn named(tokens: &[Spanned<'_>], at: usize) -> Option<String> {
    // The word that a statement begins with calls nothing.
    if at == 0 {
        return None;
    }
    let before = |back: usize| at.checked_sub(back).and_then(|n| tokens.get(n)).map(|t| t.token);
    let (name, quoted) = match before(0)? {
        Token::Word(word) => (word.to_ascii_lowercase(), false),
        Token::Quoted(text) => (text.trim_matches('"').to_owned(), true),
        _ => return None,
    };
    let is = |token: Option<Token<'_>>, word: &str| matches!(token, Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
    let qualified = before(1) == Some(Token::Sign(b'.'));
    // What follows these words is given a name, not called.
    let target = |token| is(token, "as") || is(token, "into");
    let first = if qualified { before(3) } else { before(1) };
    if target(first) || is_common_table(tokens, at) {
        return None;
    }
    if qualified && !is(before(2), "pg_catalog") {
        return Some(name);
    }
    let follows = |word: &&str| match before(1) {
        Some(Token::Sign(b')')) => *word == ")",
        token => is(token, word),
    };
    let syntax = || {
        let following = FOLLOWING.iter().find(|(word, _)| *word == name);
        SYNTAX.contains(&name.as_str()) || following.is_some_and(|(_, all)| all.iter().any(follows))
    };
    let known = is_allowed(&name) || (!quoted && !qualified && syntax());
    (!known).then_some(name)
}

/// `name (a, b) AS`: the columns of a common table expression.
fn is_common_table(tokens: &[Spanned<'_>], at: usize) -> bool {
    let mut rest = tokens.get(at + 2..).unwrap_or_default().iter().map(|t| t.token);
    loop {
        match (rest.next(), rest.next()) {
            (Some(Token::Word(_) | Token::Quoted(_)), Some(Token::Sign(b','))) => {}
            (Some(Token::Word(_) | Token::Quoted(_)), Some(Token::Sign(b')'))) => break,
            _ => return false,
        }
    }
    let follows = matches!(rest.next(), Some(Token::Word(w)) if w.eq_ignore_ascii_case("as"));
    let mut body = rest.skip_while(
        |t| matches!(t, Token::Word(w) if w.eq_ignore_ascii_case("not") || w.eq_ignore_ascii_case("materialized")),
    );
    // `f (a) AS x` is a call with a name; a common table's query stands in parentheses.
    follows && body.next() == Some(Token::Sign(b'('))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lex::tokens;

    fn first(text: &str) -> Option<String> {
        foreign(&tokens(text).unwrap())
    }

    #[test]
    fn the_list_is_sorted_and_has_nothing_that_acts() {
        let all: Vec<&str> = FUNCTIONS
            .lines()
            .filter(|l| !l.starts_with('#') && !l.is_empty())
            .collect();
        assert!(all.windows(2).all(|w| w[0] < w[1]));
        for acts in [
            "lo_create",
            "lo_import",
            "lo_export",
            "lo_unlink",
            "lo_from_bytea",
            "lo_put",
            "lowrite",
            "dblink",
            "dblink_exec",
            "set_config",
            "nextval",
            "setval",
            "currval",
            "pg_terminate_backend",
            "pg_cancel_backend",
            "pg_read_file",
            "pg_read_binary_file",
            "pg_ls_dir",
            "pg_stat_file",
            "pg_reload_conf",
            "pg_rotate_logfile",
            "pg_switch_wal",
            "pg_advisory_lock",
            "pg_sleep",
            "pg_notify",
            "query_to_xml",
            "query_to_xmlschema",
            "table_to_xml",
            "cursor_to_xml",
            "database_to_xml",
            "schema_to_xml",
            "ts_stat",
            "pg_logical_emit_message",
            "pg_create_restore_point",
            "pg_promote",
            "pg_import_system_collations",
            "txid_current",
            "pg_current_xact_id",
            "pg_export_snapshot",
            "pg_get_keywords_x",
            "pg_stat_reset",
            "pg_replication_origin_create",
            "pg_file_write",
            "current_setting_x",
            "ts_rewrite",
            "xpath_table",
            "crosstab",
            "connectby",
            "pg_backup_start",
            "pg_prewarm",
        ] {
            assert!(!is_allowed(acts), "{acts}");
        }
    }

    #[test]
    fn calls_that_are_not_listed_are_found() {
        for (text, name) in [
            ("select lo_create(0)", "lo_create"),
            ("select pg_catalog.lo_create(0)", "lo_create"),
            ("select public.lower('A')", "lower"),
            ("select \"lo_create\" (0)", "lo_create"),
            ("select lo_create/* x */\n(0)", "lo_create"),
            ("select * from harmless()", "harmless"),
            ("select count(*) filter (where wipe(x) > 0) from t", "wipe"),
            ("select 1 where 1 = any(array(select wipe()))", "wipe"),
            ("select f (a) as x from t", "f"),
            ("select \"LOWER\"('a')", "LOWER"),
            ("select \"select\"('a')", "select"),
            ("select public.select('a')", "select"),
            ("select key(1)", "key"),
            ("select filter(1), over (2)", "filter"),
        ] {
            assert_eq!(first(text).as_deref(), Some(name), "{text}");
        }
    }

    #[test]
    fn what_calls_nothing_or_only_computes_passes() {
        for text in [
            "select lower(name), count(*) from t group by rollup (a) having sum(x) > 1",
            "with recursive r(n) as (select 1 union all select n + 1 from r) select * from r",
            "with a (x, \"Y\") as materialized (values (1, 2)) select * from a",
            "select * from t where a in (1, 2) and exists (select 1) and b = any ($1)",
            "select cast(a as numeric(10, 2)), extract(year from d) from t as u (a, d)",
            "insert into shop.orders (a, b) values (1, 2) on conflict (a) do nothing",
            "select coalesce(a, 1) over (partition by b order by c rows between 1 preceding and current row) from t",
            "select pg_catalog.count(*) from t",
        ] {
            assert_eq!(first(text), None, "{text}");
        }
    }
}
