//! What one decision costs: every example of the catalogue judged, as what comes over the wire is, beside a lookup in a map
//! of as many rules, which is what no decision can be cheaper than.

use fumehood_catalogue::Catalogue;
use fumehood_destination::{Rule, Rules};
use fumehood_monitor::Effects;
use fumehood_monitor::{Described, Judgement, judge};
use fumehood_policy::config::{Allow, Approval, Method};
use fumehood_policy::origin::Origin;
use fumehood_policy::profile::EffectRule;
use fumehood_policy::value::{Decide, Word};
use std::collections::{BTreeSet, HashMap};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Allow rules and rules on effects, so many of each.
const SIZES: [usize; 2] = [100, 500];
const ROUNDS: usize = 200;

pub(crate) fn run() {
    let catalogue = Catalogue::shipped().expect("the catalogue");
    let examples = catalogue
        .rows()
        .iter()
        .flat_map(|row| row.hold.iter().chain(&row.fly));
    let all: Vec<_> = examples
        .filter_map(|text| match Described::read(text) {
            Some(Described::Request(head, body)) => Some((head, body)),
            _ => None,
        })
        .collect();
    let hosts = all
        .iter()
        .map(|(head, _)| head.destination.host.to_string())
        .collect();
    println!(
        "\n## decision: {} requests, {} rows of the catalogue, {ROUNDS} rounds",
        all.len(),
        catalogue.rows().len()
    );
    for size in SIZES {
        let (rules, effects) = (rules(size, &hosts), Effects::from(effects(size)));
        let mut took = Vec::new();
        let (mut sent, mut held) = (0, 0);
        for _ in 0..ROUNDS {
            for (head, body) in &all {
                let body = body.clone();
                let begun = Instant::now();
                let body = if body.is_empty() {
                    fumehood_catalogue::Body::Absent
                } else {
                    fumehood_catalogue::Body::Bytes(body)
                };
                let judged = black_box(judge(&rules, &effects, &catalogue, black_box(head), body, None));
                took.push(begun.elapsed());
                match judged {
                    Judgement::Hold(_) => held += 1,
                    Judgement::Release(_) | Judgement::Own(..) | Judgement::Body(_) => sent += 1,
                    Judgement::Deny(_) => {}
                }
            }
        }
        assert!(
            held > sent / 2 && sent > 0,
            "the examples are judged: {held} held, {sent} sent"
        );
        let floor = floor(size);
        let [median, slow] = percentiles(&mut took);
        println!(
            "{size} rules of each sort: median {median:.2} us, p99 {slow:.2} us (bar 20 us), {:.1} lookups in a map of {size} names",
            median / floor
        );
    }
}

/// Microseconds: the median, and what one in a hundred is slower than.
pub(crate) fn percentiles(took: &mut [Duration]) -> [f64; 2] {
    took.sort();
    let at = |n: usize| took.get(n).map_or(0.0, |d| d.as_secs_f64() * 1e6);
    [at(took.len() / 2), at(took.len() * 99 / 100)]
}

fn floor(size: usize) -> f64 {
    let map: HashMap<String, usize> = (0..size).map(|n| (format!("host{n}.example"), n)).collect();
    let name = format!("host{}.example", size / 2);
    let mut took = Vec::new();
    for _ in 0..10_000 {
        let begun = Instant::now();
        black_box(map.get(black_box(&name)));
        took.push(begun.elapsed());
    }
    percentiles(&mut took)[0]
}

/// These hosts with all methods, and others before them.
fn rules(size: usize, hosts: &BTreeSet<String>) -> Rules {
    let allow = |host: &str| Allow {
        host: host.parse().expect("a host"),
        methods: Method::ALL.iter().map(|(_, method)| *method).collect(),
        paths: Vec::new(),
        query: Vec::new(),
        headers: Vec::new(),
        tunnel: false,
    };
    let others = (hosts.len()..size).map(|n| format!("host{n}.example"));
    let rule = |host: String| Rule::new(&allow(&host)).expect("a rule");
    Rules::new(others.chain(hosts.iter().cloned()).map(rule).collect()).expect("rules")
}

/// None of them is of these requests.
pub(crate) fn effects(size: usize) -> Vec<EffectRule> {
    let rule = |n: usize| EffectRule {
        key: "rule",
        effects: vec![
            "cluster.*".parse().expect("an effect"),
            "sql.destroy".parse().expect("an effect"),
        ],
        hosts: Some(vec![format!("*.env{n}.example.org").parse().expect("a host")]),
        decide: Decide::Hold,
        by: Approval::default(),
        because: None,
        observed: false,
        origin: Origin::Default,
    };
    (0..size).map(rule).collect()
}
