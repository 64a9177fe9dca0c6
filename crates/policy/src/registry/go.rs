/// The proxies of a GOPROXY value; `direct` and `off` name none.
pub(super) fn list(value: &str) -> Vec<String> {
    value.split([',', '|']).map(|url| url.trim().to_owned()).collect()
}

/// `GOPROXY=…` of a go env file.
pub(super) fn urls(text: &str) -> Vec<String> {
    let values = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("GOPROXY="));
    values.flat_map(list).collect()
}
