/// `registry=URL` and `@scope:registry=URL` of an npmrc (ini without sections that matter).
pub(super) fn urls(text: &str) -> Vec<String> {
    let pairs = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with(['#', ';']));
    let pairs = pairs.filter_map(|line| line.split_once('='));
    let registries = pairs.filter(|(key, _)| {
        let key = key.trim();
        key == "registry" || (key.starts_with('@') && key.ends_with(":registry"))
    });
    registries.map(|(_, url)| url.trim().to_owned()).collect()
}
