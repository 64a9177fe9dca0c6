/// Keys of pip.conf that hold URLs.
const KEYS: &[&str] = &["index-url", "extra-index-url", "find-links"];

/// The URLs of a pip.conf: ini in Python's dialect, where an indented line continues the
/// value above.
pub(super) fn urls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut wanted = false;
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with(['#', ';']))
    {
        let continues = line.starts_with([' ', '\t']);
        let value = if continues {
            line
        } else {
            let (key, value) = line.split_once(['=', ':']).unwrap_or((line, ""));
            let key = key.trim().to_ascii_lowercase().replace('_', "-");
            wanted = KEYS.contains(&key.as_str());
            value
        };
        if wanted {
            found.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    found
}
