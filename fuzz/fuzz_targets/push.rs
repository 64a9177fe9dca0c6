//! A push: any bytes end, in any pieces the same; what is proven forward has a chain of hashed commits.

#![no_main]

use fumehood_effect::{Digest, EffectKind};
use fumehood_git::{Bounds, Ci, Context, Format, Objects, Ours, PackScan, Push, Reading, judge, self_contained};
use libfuzzer_sys::fuzz_target;

fn objects(pack: &[u8], piece: usize) -> Option<Objects> {
    let bounds = Bounds { commit: 4096, kept: 1 << 20, inflated: 4 << 20 };
    let mut scan = PackScan::new(Format::Sha1, bounds);
    pack.chunks(piece).try_for_each(|p| scan.feed(p)).ok()?;
    scan.finish().ok()
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&piece, bytes)) = bytes.split_first() else { return };
    let _any = self_contained(bytes);
    let in_pieces = objects(bytes, usize::from(piece).max(1));
    assert_eq!(in_pieces, objects(bytes, 1 << 20));
    let Ok(Reading::Whole(push)) = Push::read(bytes, true) else { return };
    let objects = objects(&bytes[push.pack_at..], 4096).unwrap_or_default();
    let session = "s1".parse().expect("a session");
    let ours = Ours::new(&session, [], None);
    let context = Context { system: "h", repository: "r", session: &session, ours: &ours, ci: Ci::None, base: None };
    if let Some(judged) = judge(&push, &objects, Digest::of(bytes), &context)
        && judged.own
    {
        assert!(push.commands.len() == 1 && push.options.iter().all(|o| o == b"ci.skip"));
        assert!(push.commands[0].name.as_bytes().starts_with(b"refs/heads/agent/s1/"));
        if judged.effect.kind == EffectKind::GitRefUpdate {
            let command = &push.commands[0];
            assert!(command.old == command.new || objects.commits.contains_key(&command.new));
        }
    }
});
