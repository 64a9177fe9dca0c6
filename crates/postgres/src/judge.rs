//! What a statement does. A verdict of reading is enforced at the server and may be wrong; any other is a person's to
//! decide, so whatever is not understood to its end is one of those.

use crate::call;
use crate::lex::{self, Spanned, Token, Unread};
use fumehood_effect::EffectKind;
use sqlparser::ast::{
    BinaryOperator, CopySource, CopyTarget, Expr, FromTable, Ident, InTarget, ObjectName, ObjectType, Query,
    Select, Set, SetExpr, Statement, TableObject, TableWithJoins, TransactionMode, UnaryOperator,
    UtilityOption, Visit, Visitor,
};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token as Other, Tokenizer};
use std::ops::ControlFlow;

/// The longest statement that is read, bytes. A longer one is not understood.
pub const MAX_STATEMENT: usize = 256 << 10;
/// The most tokens of one.
const MAX_TOKENS: usize = 50_000;
/// The most signs and words that can nest a tree by standing in a row: the tree is walked on the stack.
const MAX_CHAIN: usize = 1_000;
/// How deep parentheses are read.
const MAX_DEPTH: usize = 40;
/// The most statements of one text.
const MAX_STATEMENTS: usize = 1_000;
/// How many names are kept.
const MAX_NAMES: usize = 16;

/// What a statement means for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// It reads, and is run so that it can do nothing else.
    Read,
    /// It reads, sending rows to the client in the protocol's way of copying.
    CopyOut,
    /// It begins a transaction.
    Begin,
    /// It ends one: committed or rolled back. `AND CHAIN` is not one of these.
    End,
    /// It sets, releases or goes back to a savepoint.
    Savepoint,
    /// It changes a setting that only concerns how answers are written or how long they may take.
    Setting,
    /// It changes something.
    Effect(Judged),
    /// No statement at all: blanks and comments.
    Nothing,
}

/// A statement that is no mere reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What it does.
    pub kind: EffectKind,
    /// What it does, in words for who approves.
    pub why: String,
    /// Whether it is the ordinary work of a session: it changes few rows, of which a bound is kept.
    pub ordinary: bool,
    /// The tables or other things that it names, as far as they were understood.
    pub names: Vec<String>,
    /// A query that counts the rows which it would change, where one can be made.
    pub count: Option<String>,
    /// Whether the count of rows in its command tag bounds what it does.
    pub counted: bool,
    /// Whether it can be run within a transaction.
    pub in_transaction: bool,
    /// Whether rows follow from the client.
    pub copies_in: bool,
}

impl Judged {
    fn new(kind: EffectKind, why: impl Into<String>) -> Judged {
        Judged {
            kind,
            why: why.into(),
            ordinary: false,
            names: Vec::new(),
            count: None,
            counted: false,
            in_transaction: true,
            copies_in: false,
        }
    }

    fn names(mut self, names: impl IntoIterator<Item = String>) -> Judged {
        self.names = names.into_iter().take(MAX_NAMES).collect();
        self
    }

    fn outside_transactions(mut self) -> Judged {
        self.in_transaction = false;
        self
    }
}

/// The statements of a text, each without the sign that ends it. One that is not read is given whole.
///
/// # Errors
/// It cannot be told where one ends: nothing of it is to be sent.
pub fn split(text: &str) -> Result<Vec<&str>, &'static str> {
    if text.len() > MAX_STATEMENT {
        return Err("it is longer than what is read");
    }
    let tokens = lex::tokens(text).map_err(why_unread)?;
    let mut from = 0;
    let mut all = Vec::new();
    // A body of a function in the SQL standard's way holds statements of its own: such a text is judged as a whole.
    if tokens.iter().any(|t| is_word(t, "atomic")) {
        return Ok(vec![text]);
    }
    for end in tokens.iter().filter(|t| t.token == Token::Sign(b';')) {
        all.push(text.get(from..end.at).unwrap_or_default());
        from = end.end;
    }
    let rest = text.get(from..).unwrap_or_default();
    if all.is_empty() || tokens.last().is_some_and(|t| t.at >= from) {
        all.push(rest);
    }
    if all.len() > MAX_STATEMENTS {
        return Err("it holds more statements than are read");
    }
    Ok(all)
}

fn why_unread(unread: Unread) -> &'static str {
    match unread {
        Unread::Unended => "a comment or a constant in it does not end",
        Unread::Sign => "a sign in it begins nothing",
        Unread::Ambiguous => "servers differ in how they read it",
    }
}

fn is_word(token: &Spanned<'_>, word: &str) -> bool {
    matches!(token.token, Token::Word(w) if w.eq_ignore_ascii_case(word))
}

/// What one statement means.
#[must_use]
pub fn judge(text: &str) -> Means {
    if text.len() > MAX_STATEMENT {
        return Means::Effect(hidden("is longer than what is read"));
    }
    let tokens = match lex::tokens(text) {
        Ok(tokens) => tokens,
        Err(why) => return Means::Effect(hidden(&format!("is not read: {}", why_unread(why)))),
    };
    let Some(first) = tokens.first() else {
        return Means::Nothing;
    };
    if tokens.iter().any(|t| t.token == Token::Sign(b';')) {
        return Means::Effect(hidden("holds more than one statement"));
    }
    if !is_shallow(&tokens) {
        return Means::Effect(hidden("nests deeper than what is read"));
    }
    match parsed(text, &tokens) {
        Some(statement) => statement_means(&statement, &tokens),
        None => {
            by_words(&tokens, first).map_or_else(|| Means::Effect(hidden("is not understood")), Means::Effect)
        }
    }
}

/// Runs what nobody here understands.
fn hidden(what: &str) -> Judged {
    Judged::new(
        EffectKind::SqlRun,
        format!("runs SQL whose effect is not known: it {what}"),
    )
    .outside_transactions()
}

/// Whether a tree of it can be walked on the stack: parentheses are not deep, and signs that nest are not many.
fn is_shallow(tokens: &[Spanned<'_>]) -> bool {
    const CHAINS: &[&str] = &[
        "and",
        "or",
        "not",
        "is",
        "in",
        "like",
        "ilike",
        "similar",
        "between",
        "union",
        "intersect",
        "except",
        "collate",
        "at",
        "case",
        "join",
        "isnull",
        "notnull",
        "explain",
        "array",
        "interval",
        "over",
    ];
    let (mut depth, mut deepest, mut chain) = (0usize, 0usize, 0usize);
    for token in tokens {
        match token.token {
            Token::Sign(b'(' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
                chain += usize::from(token.token == Token::Sign(b'['));
            }
            Token::Sign(b')' | b']') => depth = depth.saturating_sub(1),
            Token::Operator(_) => chain += 1,
            Token::Word(word) => chain += usize::from(CHAINS.iter().any(|c| word.eq_ignore_ascii_case(c))),
            _ => {}
        }
    }
    tokens.len() <= MAX_TOKENS && deepest <= MAX_DEPTH && chain <= MAX_CHAIN
}

/// The statement as the grammar's tree, where the grammar's own scanner found the same words and constants.
fn parsed(text: &str, ours: &[Spanned<'_>]) -> Option<Statement> {
    let theirs = Tokenizer::new(&PostgreSqlDialect {}, text)
        .tokenize_with_location()
        .ok()?;
    let mut ours = ours.iter().map(|t| t.token);
    let mut next = |constant: bool, word: Option<&str>| loop {
        return match ours.next() {
            Some(Token::Text) => constant,
            Some(Token::Word(w)) => word == Some(w),
            Some(Token::Quoted(q)) => word.is_some_and(|w| {
                q.get(1..q.len() - 1)
                    .is_some_and(|q| q.replace("\"\"", "\"") == w)
            }),
            Some(_) => continue,
            None => !constant && word.is_none(),
        };
    };
    for token in &theirs {
        let same = match &token.token {
            Other::Word(word) => next(false, Some(&word.value)),
            Other::SingleQuotedString(_)
            | Other::EscapedStringLiteral(_)
            | Other::NationalStringLiteral(_)
            | Other::HexStringLiteral(_)
            | Other::SingleQuotedByteStringLiteral(_)
            | Other::DollarQuotedString(_) => next(true, None),
            _ => true,
        };
        if !same {
            return None;
        }
    }
    if !next(false, None) {
        return None;
    }
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .with_recursion_limit(MAX_DEPTH + 10)
        .with_tokens_with_locations(theirs);
    let mut statements = parser.parse_statements().ok()?;
    let statement = statements.pop()?;
    statements.is_empty().then_some(statement)
}

fn statement_means(statement: &Statement, tokens: &[Spanned<'_>]) -> Means {
    let effect = |judged: Judged| Means::Effect(judged);
    let called = call::foreign(tokens);
    let calls = |name: &String| {
        let shown: String = name.chars().take(60).collect();
        effect(hidden(&format!(
            "calls `{shown}`, which is not on the list of functions that only read"
        )))
    };
    match statement {
        Statement::Query(query) => match (of_query(query), &called) {
            (Some(judged), _) => effect(judged),
            (None, Some(name)) => calls(name),
            (None, None) => Means::Read,
        },
        Statement::Explain {
            statement, options, ..
        } => {
            let known = |o: &UtilityOption| {
                const OPTIONS: [&str; 9] = [
                    "analyze", "verbose", "costs", "buffers", "timing", "summary", "format", "settings",
                    "wal",
                ];
                OPTIONS.contains(&o.name.value.to_ascii_lowercase().as_str())
            };
            let explains = matches!(
                **statement,
                Statement::Query(_) | Statement::Insert(_) | Statement::Update(_) | Statement::Delete(_)
            );
            match &called {
                Some(name) => calls(name),
                // Whatever is explained is run so that it can do nothing: with ANALYZE the server refuses a change.
                None if explains && options.iter().flatten().all(known) => Means::Read,
                None => effect(hidden("explains what is not understood")),
            }
        }
        Statement::ShowVariable { .. } => Means::Read,
        Statement::Declare { stmts, .. } => match stmts.as_slice() {
            [one] if one.hold != Some(true) => match (one.for_query.as_deref().map(of_query), &called) {
                (Some(None), None) => Means::Read,
                (_, Some(name)) => calls(name),
                _ => effect(hidden("declares a cursor over more than a reading")),
            },
            _ => effect(hidden("declares a cursor that outlives its transaction")),
        },
        Statement::Fetch { into: None, .. } | Statement::Close { .. } => Means::Read,
        Statement::Copy {
            source: CopySource::Query(query),
            to: true,
            target: CopyTarget::Stdout,
            ..
        } => match &called {
            Some(name) => calls(name),
            None => of_query(query).map_or(Means::CopyOut, effect),
        },
        Statement::Copy {
            source: CopySource::Table { table_name, .. },
            to,
            target: CopyTarget::Stdin | CopyTarget::Stdout,
            ..
        } => match call::foreign(behind_columns(tokens)) {
            Some(name) => calls(&name),
            None if *to => effect(
                Judged::new(EffectKind::SqlRead, "copies a whole table out").names([table_name.to_string()]),
            ),
            None => effect(Judged {
                ordinary: true,
                counted: true,
                copies_in: true,
                ..Judged::new(EffectKind::SqlWrite, "adds rows").names([table_name.to_string()])
            }),
        },
        Statement::StartTransaction {
            modes,
            modifier: None,
            statements,
            exception: None,
            has_end_keyword: false,
            ..
        } if statements.is_empty() && modes.iter().all(is_mode) => Means::Begin,
        Statement::Commit {
            chain: false,
            modifier: None,
            ..
        } => Means::End,
        Statement::Rollback {
            chain: false,
            savepoint: None,
        } => Means::End,
        Statement::Rollback {
            chain: false,
            savepoint: Some(name),
        }
        | Statement::Savepoint { name }
        | Statement::ReleaseSavepoint { name }
            if !is_ours(name) =>
        {
            Means::Savepoint
        }
        Statement::Set(set) => of_set(set).map_or(Means::Setting, effect),
        Statement::Insert(insert) => {
            let TableObject::TableName(name) = &insert.table else {
                return effect(hidden("inserts into what is not a table's name"));
            };
            let base = Judged {
                ordinary: true,
                counted: true,
                ..Judged::new(EffectKind::SqlWrite, "adds rows").names([name.to_string()])
            };
            of_change(statement, base, &called)
        }
        Statement::Update(update) => {
            let base =
                Judged::new(EffectKind::SqlWrite, "changes rows").names([update.table.relation.to_string()]);
            let plain = update.from.is_none() && update.table.joins.is_empty();
            let table = plain.then_some(&update.table);
            of_change(
                statement,
                keyed(base, update.selection.as_ref(), table, EffectKind::SqlDestroy),
                &called,
            )
        }
        Statement::Delete(delete) => {
            let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
            let base = Judged::new(EffectKind::SqlWrite, "deletes rows")
                .names(from.iter().map(|t| t.relation.to_string()));
            let table = match (from.as_slice(), &delete.using) {
                ([one], None) if one.joins.is_empty() && delete.tables.is_empty() => Some(one),
                _ => None,
            };
            of_change(
                statement,
                keyed(base, delete.selection.as_ref(), table, EffectKind::SqlDestroy),
                &called,
            )
        }
        Statement::Truncate(truncate) => effect(
            Judged::new(EffectKind::SqlDestroy, "empties tables")
                .names(truncate.table_names.iter().map(|t| t.name.to_string())),
        ),
        Statement::Drop {
            object_type, names, ..
        } => effect(of_drop(object_type, names)),
        Statement::CreateTable(table)
            if table.temporary
                && table.query.is_none()
                && called_in_table(tokens).is_none()
                && names_no_schema(&table.name) =>
        {
            effect(Judged {
                ordinary: true,
                ..Judged::new(EffectKind::SqlDdl, "makes a table of this connection's own")
                    .names([table.name.to_string()])
            })
        }
        _ => {
            let first = tokens.first();
            let known = first.and_then(|first| by_words(tokens, first));
            effect(known.unwrap_or_else(|| hidden("is of a kind that is not known")))
        }
    }
}

/// What follows the table of a COPY, and its columns if it names some: they look like a call's arguments.
fn behind_columns<'t, 'a>(tokens: &'t [Spanned<'a>]) -> &'t [Spanned<'a>] {
    let part = |t: &Spanned<'_>| matches!(t.token, Token::Word(_) | Token::Quoted(_) | Token::Sign(b'.'));
    let mut at = 2;
    // `a.b.c`: a name goes on as long as points join its parts.
    while tokens.get(at).is_some_and(|t| t.token == Token::Sign(b'.')) && tokens.get(at + 1).is_some_and(part)
    {
        at += 2;
    }
    if tokens.get(at).is_some_and(|t| t.token == Token::Sign(b'(')) {
        let end = tokens.iter().skip(at).position(|t| t.token == Token::Sign(b')'));
        at += end.map_or(0, |n| n + 1);
    }
    tokens.get(at..).unwrap_or_default()
}

fn names_no_schema(name: &ObjectName) -> bool {
    name.0.len() == 1
}

/// A call within a table's definition: what stands before a parenthesis there is mostly the table itself or a type.
fn called_in_table(tokens: &[Spanned<'_>]) -> Option<String> {
    let from = tokens.iter().position(|t| t.token == Token::Sign(b'('))?;
    call::foreign(tokens.get(from..).unwrap_or_default())
}

fn is_mode(mode: &TransactionMode) -> bool {
    matches!(
        mode,
        TransactionMode::AccessMode(_) | TransactionMode::IsolationLevel(_)
    )
}

/// Names of savepoints that the gate sets itself.
fn is_ours(name: &Ident) -> bool {
    name.value.to_ascii_lowercase().starts_with("_fumehood")
}

/// Whether a query does more than read; what then.
fn of_query(query: &Query) -> Option<Judged> {
    struct Looks(Option<Judged>);
    impl Visitor for Looks {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let more = in_query(query);
            self.found(more)
        }
        fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
            let into = select.into.as_ref().map(|into| {
                Judged::new(EffectKind::SqlDdl, "makes a table from a query")
                    .names(into.targets.iter().map(ToString::to_string))
            });
            self.found(into)
        }
        fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<()> {
            let what = Judged::new(EffectKind::SqlWrite, "changes rows within a query");
            self.found(Some(what))
        }
    }
    impl Looks {
        fn found(&mut self, judged: Option<Judged>) -> ControlFlow<()> {
            match judged {
                Some(judged) => {
                    self.0 = Some(judged);
                    ControlFlow::Break(())
                }
                None => ControlFlow::Continue(()),
            }
        }
    }
    let mut looks = Looks(None);
    let _ended = query.visit(&mut looks);
    looks.0
}

fn in_query(query: &Query) -> Option<Judged> {
    if !query.locks.is_empty() {
        return Some(Judged {
            counted: true,
            ..Judged::new(EffectKind::SqlWrite, "locks rows that it reads")
        });
    }
    matches!(
        *query.body,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
    )
    .then(|| Judged::new(EffectKind::SqlWrite, "changes rows within a query"))
}

/// A change of rows: whatever else it holds must only read.
fn of_change(statement: &Statement, base: Judged, called: &Option<String>) -> Means {
    struct Looks(bool, usize);
    impl Visitor for Looks {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 |= in_query(query).is_some();
            ControlFlow::Continue(())
        }
        fn pre_visit_statement(&mut self, _statement: &Statement) -> ControlFlow<()> {
            self.1 += 1;
            ControlFlow::Continue(())
        }
    }
    let mut looks = Looks(false, 0);
    let _whole = statement.visit(&mut looks);
    let mut judged = base;
    if let Some(name) = called {
        let shown: String = name.chars().take(60).collect();
        judged.why = format!(
            "{}, and calls `{shown}`, which is not on the list of functions that only read",
            judged.why
        );
        (judged.ordinary, judged.count) = (false, None);
    }
    if looks.0 || looks.1 > 1 {
        judged.why = format!("{}, and changes others within", judged.why);
        (judged.ordinary, judged.count, judged.counted) = (false, None, false);
    }
    Means::Effect(judged)
}

/// A change of the rows that a condition selects. Without a condition that selects it concerns them all.
fn keyed(base: Judged, condition: Option<&Expr>, table: Option<&TableWithJoins>, all: EffectKind) -> Judged {
    let count = table.map(|table| match condition {
        Some(condition) => format!("SELECT count(*) FROM {table} WHERE {condition}"),
        None => format!("SELECT count(*) FROM {table}"),
    });
    let base = Judged {
        counted: true,
        count,
        ..base
    };
    if condition.is_some_and(selects) {
        return Judged {
            ordinary: true,
            ..base
        };
    }
    let which = match condition {
        None => "of a whole table: there is no WHERE",
        Some(_) => "of a whole table, perhaps: its WHERE compares no column with a value",
    };
    Judged {
        kind: all,
        why: format!("{} {which}", base.why),
        ..base
    }
}

/// Whether a condition compares a column with something that is none, in each of its alternatives.
fn selects(condition: &Expr) -> bool {
    match condition {
        Expr::Nested(inner) => selects(inner),
        Expr::BinaryOp { left, op, right } => match op {
            BinaryOperator::And => selects(left) || selects(right),
            BinaryOperator::Or => selects(left) && selects(right),
            BinaryOperator::Eq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                (is_column(left) && is_value(right)) || (is_value(left) && is_column(right))
            }
            _ => false,
        },
        Expr::In {
            expr,
            target,
            negated: false,
            ..
        } => {
            is_column(expr)
                && match target {
                    InTarget::List(list) => list.iter().all(is_value),
                    InTarget::Subquery(_) => true,
                    _ => false,
                }
        }
        Expr::AnyOp {
            left,
            right,
            compare_op: BinaryOperator::Eq,
            ..
        } => is_column(left) && is_value(right),
        Expr::Between {
            expr,
            negated: false,
            low,
            high,
        } => is_column(expr) && is_value(low) && is_value(high),
        Expr::Like {
            negated: false,
            expr,
            pattern,
            ..
        } => is_column(expr) && is_value(pattern),
        Expr::IsNull(expr) => is_column(expr),
        _ => false,
    }
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => is_column(inner),
        Expr::Function(_) => false,
        _ => false,
    }
}

/// Whether it holds no column: a constant, a parameter, something computed of these.
fn is_value(expr: &Expr) -> bool {
    struct Looks(bool);
    impl Visitor for Looks {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            self.0 |= matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
            ControlFlow::Continue(())
        }
    }
    let simple = match expr {
        Expr::UnaryOp { op, expr } => {
            matches!(op, UnaryOperator::Minus | UnaryOperator::Plus) && is_value(expr)
        }
        _ => true,
    };
    let mut looks = Looks(false);
    let _whole = expr.visit(&mut looks);
    simple && !looks.0
}

/// Settings that only concern how answers are written, or how long things may take.
const SETTINGS: &[&str] = &[
    "application_name",
    "bytea_output",
    "client_min_messages",
    "datestyle",
    "enable_bitmapscan",
    "enable_hashagg",
    "enable_hashjoin",
    "enable_indexonlyscan",
    "enable_indexscan",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_sort",
    "extra_float_digits",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "intervalstyle",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "lock_timeout",
    "max_parallel_workers_per_gather",
    "random_page_cost",
    "statement_timeout",
    "timezone",
    "work_mem",
    "xmloption",
];

/// What is wrong with a change of settings; none where nothing is.
fn of_set(set: &Set) -> Option<Judged> {
    let other = |name: String| {
        Judged::new(
            EffectKind::SqlRun,
            format!("changes the setting `{name}`, by which later statements could mean something else"),
        )
    };
    match set {
        Set::SingleAssignment { variable, values, .. } => {
            let name = variable.to_string().to_ascii_lowercase();
            let utf8 = name == "client_encoding"
                && matches!(values.as_slice(), [one] if matches!(
                    one.to_string().to_ascii_lowercase().trim_matches('\'').replace('-', "").as_str(), "utf8"));
            (!SETTINGS.contains(&name.as_str()) && !utf8).then(|| other(name))
        }
        Set::SetTimeZone { .. } => None,
        Set::SetNames {
            charset_name,
            collation_name: None,
        } => {
            let utf8 = charset_name.value.to_ascii_lowercase().replace('-', "") == "utf8";
            (!utf8).then(|| other("client_encoding".to_owned()))
        }
        Set::SetTransaction {
            modes,
            snapshot: None,
            session: false,
        } if modes.iter().all(|m| {
            matches!(m, TransactionMode::IsolationLevel(_))
                || matches!(
                    m,
                    TransactionMode::AccessMode(sqlparser::ast::TransactionAccessMode::ReadOnly)
                )
        }) =>
        {
            None
        }
        Set::SetTransaction { .. } => Some(other("transaction_read_only".to_owned())),
        Set::SetRole { .. } | Set::SetSessionAuthorization(_) => {
            Some(Judged::new(EffectKind::SqlRoles, "goes on as another role"))
        }
        _ => Some(other("of several at once".to_owned())),
    }
}

fn of_drop(object: &ObjectType, names: &[ObjectName]) -> Judged {
    let what = object.to_string().to_ascii_lowercase();
    let judged = match object {
        ObjectType::Role | ObjectType::User => Judged::new(EffectKind::SqlRoles, format!("drops a {what}")),
        ObjectType::Database => {
            Judged::new(EffectKind::SqlDestroy, "drops a whole database").outside_transactions()
        }
        _ => Judged::new(EffectKind::SqlDestroy, format!("drops a {what}")),
    };
    judged.names(names.iter().map(ToString::to_string))
}

/// By its first words, where the grammar of the tree does not know it or says no more. Always for a person.
fn by_words(tokens: &[Spanned<'_>], first: &Spanned<'_>) -> Option<Judged> {
    let word = |n: usize| match tokens.get(n).map(|t| t.token) {
        Some(Token::Word(w)) => w.to_ascii_lowercase(),
        _ => String::new(),
    };
    let has = |w: &str| tokens.iter().take(6).any(|t| is_word(t, w));
    let Token::Word(_) = first.token else { return None };
    let (one, two) = (word(0), word(1));
    let new = |kind, why: &str| Some(Judged::new(kind, why));
    let alone = |kind, why: &str| Some(Judged::new(kind, why).outside_transactions());
    let outside = [
        "server",
        "subscription",
        "publication",
        "extension",
        "foreign",
        "tablespace",
        "language",
        "access",
    ];
    let code = [
        "function",
        "procedure",
        "trigger",
        "rule",
        "aggregate",
        "operator",
        "cast",
        "event",
        "transform",
    ];
    match (one.as_str(), two.as_str()) {
        ("do" | "call", _) => alone(
            EffectKind::SqlRun,
            "runs code in the database whose effect nobody can see before",
        ),
        ("prepare" | "execute", _) => new(
            EffectKind::SqlRun,
            "runs a statement by a name, so that what runs is not seen",
        ),
        ("alter", "system") => alone(EffectKind::SqlServer, "changes the server's configuration"),
        ("load", _) => new(EffectKind::SqlServer, "loads a library into the server"),
        ("copy", _) => alone(
            EffectKind::SqlServer,
            "copies through the server's files or programs",
        ),
        ("create" | "alter" | "drop", _) if outside.iter().any(|w| has(w)) => alone(
            EffectKind::SqlServer,
            "changes what the server is connected with or loads",
        ),
        ("import", _) => new(EffectKind::SqlServer, "takes tables of another server over"),
        ("create" | "alter" | "drop", "role" | "user" | "group") | ("grant" | "revoke" | "reassign", _) => {
            new(EffectKind::SqlRoles, "changes who may do what in the database")
        }
        ("alter", "default") | ("security", _) | ("create" | "alter" | "drop", "policy") => {
            new(EffectKind::SqlRoles, "changes who may do what in the database")
        }
        ("drop", "owned") => new(EffectKind::SqlDestroy, "drops everything that a role owns"),
        ("drop", "database") => alone(EffectKind::SqlDestroy, "drops a whole database"),
        ("drop", _) if tokens.iter().any(|t| is_word(t, "concurrently")) => {
            alone(EffectKind::SqlDestroy, "drops an index")
        }
        ("drop", _) => new(EffectKind::SqlDestroy, "drops something"),
        ("truncate", _) => new(EffectKind::SqlDestroy, "empties tables"),
        ("alter", "table") if tokens.iter().any(|t| is_word(t, "drop") || is_word(t, "type")) => new(
            EffectKind::SqlDestroy,
            "drops a column or constraint, or changes a column's type",
        ),
        ("create", _) if code.iter().any(|w| has(w)) => {
            new(EffectKind::SqlDdl, "makes code that runs in the database")
        }
        ("create", "database") | ("reindex" | "vacuum" | "cluster" | "checkpoint", _) => {
            alone(EffectKind::SqlDdl, "changes or rebuilds the database's structure")
        }
        ("create" | "alter", _) if tokens.iter().any(|t| is_word(t, "concurrently")) => {
            alone(EffectKind::SqlDdl, "changes the database's structure")
        }
        ("create" | "alter" | "comment" | "refresh" | "analyze", _) => {
            new(EffectKind::SqlDdl, "changes the database's structure")
        }
        ("merge", _) => new(
            EffectKind::SqlWrite,
            "changes rows of one table by those of another",
        ),
        ("lock", _) => new(EffectKind::SqlWrite, "locks a table"),
        ("notify" | "listen" | "unlisten", _) => new(
            EffectKind::SqlWrite,
            "speaks with other connections of the database",
        ),
        _ => None,
    }
}
