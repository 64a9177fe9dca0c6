//! A push: any bytes end, in any pieces the same; what is proven forward has a chain of hashed commits.

#![no_main]

use fumehood_effect::{Digest, EffectKind};
use fumehood_git::{Bounds, Ci, Commits, Context, Format, Ours, PackScan, Push, Reading, judge};
use libfuzzer_sys::fuzz_target;

fn commits(pack: &[u8], piece: usize) -> Option<Commits> {
    let bounds = Bounds { commit: 4096, kept: 1 << 20, inflated: 4 << 20 };
    let mut scan = PackScan::new(Format::Sha1, bounds);
    pack.chunks(piece).try_for_each(|p| scan.feed(p)).ok()?;
    scan.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let in_pieces = commits(bytes, usize::from(piece).max(1));
    assert_eq!(in_pieces, commits(bytes, 1 << 20));
    let Ok(Reading::Whole(push)) = Push::read(bytes, true) else { return };
    let commits = commits(&bytes[push.pack_at..], 4096).unwrap_or_default();
    let session = "s1".parse().expect("a session");
    let ours = Ours::new(&session, [], None);
    let context = Context { system: "h", repository: "r", session: &session, ours: &ours, ci: Ci::None };
    if let Some(judged) = judge(&push, &commits, Digest::of(bytes), &context)
        && judged.own
    {
        assert!(push.commands.len() == 1 && push.options.iter().all(|o| o == b"ci.skip"));
        assert!(push.commands[0].name.as_bytes().starts_with(b"refs/heads/agent/s1/"));
        if judged.effect.kind == EffectKind::GitRefUpdate {
            let command = &push.commands[0];
            assert!(command.old == command.new || commits.contains_key(&command.new));
        }
    }
});
