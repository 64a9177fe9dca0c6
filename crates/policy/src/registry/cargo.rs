use toml::de::{DeTable, DeValue};

/// `source.*.registry`, `registries.*.index` and `registry.index` of a cargo configuration.
/// A file with an error in it gives nothing: cargo refuses it too.
pub(super) fn urls(text: &str) -> Vec<String> {
    let Ok(config) = DeTable::parse(text) else {
        return Vec::new();
    };
    let config = config.get_ref();
    let mut found: Vec<String> = table(config, "registry")
        .and_then(|t| string(t, "index"))
        .into_iter()
        .collect();
    for (section, key) in [("registries", "index"), ("source", "registry")] {
        let entries = table(config, section).into_iter().flat_map(|t| t.iter());
        let tables = entries.filter_map(|(_, value)| as_table(value.get_ref()));
        found.extend(tables.filter_map(|t| string(t, key)));
    }
    found
}

fn as_table<'a, 'i>(value: &'a DeValue<'i>) -> Option<&'a DeTable<'i>> {
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn table<'a, 'i>(from: &'a DeTable<'i>, key: &str) -> Option<&'a DeTable<'i>> {
    from.get(key).and_then(|value| as_table(value.get_ref()))
}

fn string(from: &DeTable<'_>, key: &str) -> Option<String> {
    match from.get(key)?.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}
