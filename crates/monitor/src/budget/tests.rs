use super::*;
use fumehood_policy::origin::{Layer, Origin};
use proptest::prelude::*;

fn to(text: &str) -> Destination {
    Destination::authority(text.as_bytes(), None).unwrap()
}

fn limit(layer: Layer, of: &str, rate: &str) -> BytesOut {
    BytesOut {
        layer,
        of: of.parse().unwrap(),
        rate: rate.parse().unwrap(),
        origin: Origin::Default,
    }
}

fn budgets(limits: &[(&str, &str)]) -> Budgets {
    let limits = limits.iter().map(|(of, rate)| limit(Layer::User, of, rate));
    Budgets::new(limits.collect())
}

#[test]
fn the_byte_after_the_last_does_not_leave_and_costs_nothing() {
    let mut all = budgets(&[("*", "100/h")]);
    let host = to("a.example:443");
    assert_eq!(all.take(&host, 60), Ok(()));
    let spent = all.take(&host, 41).unwrap_err();
    assert_eq!((spent.left, spent.limit.as_str()), (40, "100/h"));
    assert_eq!(spent.rule, "bytes_out of default");
    assert_eq!(all.take(&to("b.example:443"), 40), Ok(()), "together");
    assert!(all.take(&host, 1).is_err());
    all.at(Duration::from_secs(3600));
    assert!(
        all.take(&host, 1).is_err(),
        "the window is cut in parts, never short"
    );
    all.at(Duration::from_secs(3700));
    assert_eq!(all.take(&host, 100), Ok(()));
}

/// CONFIG's own example: a limit for all, and a larger one for models.
#[test]
fn a_host_is_counted_where_it_is_named_best_and_by_every_layer() {
    let mut all = budgets(&[
        ("*", "10/h"),
        ("model", "30/h"),
        ("*.a.example", "20/h"),
        ("x.a.example", "5/h"),
    ]);
    for (host, most) in [
        ("b.example:443", 10),
        ("api.openai.com:443", 30),
        ("y.a.example:443", 20),
        ("x.a.example:443", 5),
    ] {
        assert!(all.take(&to(host), most + 1).is_err(), "{host}");
        assert_eq!(all.take(&to(host), most), Ok(()), "{host}");
    }
    assert_eq!(
        all.take(&to("127.0.0.1:5432"), 1 << 40),
        Ok(()),
        "does not leave this machine"
    );
    let mut both = Budgets::new(vec![
        limit(Layer::Machine, "*", "10/h"),
        limit(Layer::Project, "a.example", "1M/h"),
    ]);
    assert!(
        both.take(&to("a.example:443"), 11).is_err(),
        "a lower layer widens nothing"
    );
}

#[test]
fn of_what_has_no_end_half_is_set_aside_and_the_rest_comes_back() {
    let mut all = budgets(&[("*", "1M/h")]);
    let host = to("a.example:443");
    let first = all.share(&host, None).unwrap().unwrap();
    assert_eq!(first.bytes, 512 << 10);
    let second = all.share(&host, None).unwrap().unwrap();
    assert_eq!(second.bytes, 256 << 10);
    all.give_back(&first, 100);
    all.give_back(&second, 0);
    assert_eq!(all.take(&host, (1 << 20) - 100), Ok(()));
    assert!(all.share(&host, None).is_err());
    assert_eq!(budgets(&[]).share(&host, None), Ok(None));
    let capped = budgets(&[("*", "1M/h")]).share(&host, Some(8192));
    assert_eq!(capped.unwrap().unwrap().bytes, 8192);
    let mut little = budgets(&[("*", "1000/h")]);
    assert_eq!(
        little.share(&host, None).unwrap().unwrap().bytes,
        1000,
        "not the half of little"
    );
}

proptest! {
    /// Whatever is asked, when: in no window of that length more leaves than the limit says.
    #[test]
    fn in_no_window_more_leaves(steps in prop::collection::vec((0u64..400, 0u64..60, any::<bool>()), 1..200)) {
        let mut all = budgets(&[("*", "100/s")]);
        let host = to("a.example:443");
        let (mut now, mut left): (u64, Vec<(u64, u64)>) = (0, Vec::new());
        for (pause, bytes, endless) in steps {
            now += pause;
            all.at(Duration::from_millis(now));
            if endless {
                if let Ok(Some(share)) = all.share(&host, None) {
                    let used = bytes.min(share.bytes);
                    all.give_back(&share, used);
                    left.push((now, used));
                }
            } else if all.take(&host, bytes).is_ok() {
                left.push((now, bytes));
            }
            let within: u64 = left.iter().filter(|(at, _)| at + 1000 > now).map(|(_, n)| n).sum();
            prop_assert!(within <= 100, "{within} within a second");
        }
    }
}
