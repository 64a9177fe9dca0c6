//! `<url>` of mirrors and repositories in a settings.xml. This is no XML parser: it walks
//! over tags, keeps the open ones, and takes the text of `url`. Comments are skipped; entities
//! and CDATA, which no host needs, make a URL that is not understood, and that is left out.

/// Elements whose `url` is where artifacts come from.
const PARENTS: &[&str] = &["mirror", "repository", "pluginRepository"];

pub(super) fn urls(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut parent = "";
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        rest = &rest[open + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.split_once("-->").map_or("", |(_, after)| after);
            continue;
        }
        let Some((tag, after)) = rest.split_once('>') else {
            break;
        };
        rest = after;
        let name = tag.split([' ', '\t', '\n', '\r', '/']).next().unwrap_or_default();
        if PARENTS.contains(&name) {
            parent = name;
        } else if name == "url" && !parent.is_empty() {
            found.push(after.split('<').next().unwrap_or_default().trim().to_owned());
        }
        if tag.strip_prefix('/') == Some(parent) {
            parent = "";
        }
    }
    found
}
