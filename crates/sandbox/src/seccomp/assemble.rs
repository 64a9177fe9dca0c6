//! From rules to classic BPF.
//!
//! A filter is a map from call numbers to verdicts, of which few are distinct: the numbers fall into
//! intervals, a binary search finds the interval, and every verdict is there once, whoever leads to
//! it. A short program counts twice: loading compiles each instruction and walks the program once
//! for every call number (calls that are allowed whatever their arguments become a bitmap, since
//! Linux 5.11), and each call that is not in that bitmap runs it.
//!
//! Jumps only go forwards, so the program is written from its end: what is led to comes before what
//! leads there, and a place is known by its distance from the end.

use super::table::{Answer, Rule, When};
use libc::c_long as Nr;

/// One classic BPF instruction, laid out as the kernel's `struct sock_filter`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) jt: u8,
    pub(crate) jf: u8,
    pub(crate) k: u32,
}

// Opcodes, from linux/bpf_common.h. Others would keep the kernel from its bitmap (seccomp.c,
// seccomp_is_const_allow).
pub(crate) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(crate) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(crate) const JUMP_EQ: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(crate) const JUMP_GE: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(crate) const JUMP_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets into struct seccomp_data (linux/seccomp.h).
pub(crate) const OFFSET_NR: u32 = 0;
pub(crate) const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

#[cfg(target_arch = "x86_64")]
pub(crate) const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

/// What calls get that no rule speaks of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Otherwise {
    /// Up to the newest number the table was checked against.
    pub(super) known: Answer,
    pub(super) newest: Nr,
    /// Beyond it, among them the x32 numbers, which have bit 30 set; and all calls of another
    /// architecture (i386 through int 0x80).
    pub(super) unknown: Answer,
}

/// Assembles the whole filter: the first rule that fits a call answers.
pub(super) fn program<'a>(rules: impl Iterator<Item = &'a Rule>, otherwise: Otherwise) -> Vec<Instruction> {
    let mut writer = Writer::default();
    let intervals = writer.intervals(rules, otherwise);
    let search = writer.search(&intervals);
    let number = writer.load(OFFSET_NR, search);
    let unknown = writer.answer(otherwise.unknown);
    let architecture = writer.branch(JUMP_EQ, NATIVE, number, unknown);
    writer.load(OFFSET_ARCH, architecture);
    writer.backwards.reverse();
    writer.backwards
}

/// An instruction, counted from the end of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place(usize);

/// How far a conditional jump reaches.
const REACH: usize = 255;

#[derive(Default)]
struct Writer<'a> {
    /// The program, its last instruction first.
    backwards: Vec<Instruction>,
    answers: Vec<(Answer, Place)>,
    blocks: Vec<(Vec<&'a Rule>, Place)>,
}

impl<'a> Writer<'a> {
    fn push(&mut self, code: u16, k: u32, jt: usize, jf: usize) -> Place {
        let short = |jump: usize| u8::try_from(jump).unwrap_or(u8::MAX); // `reach` keeps it below
        self.backwards.push(Instruction {
            code,
            jt: short(jt),
            jf: short(jf),
            k,
        });
        Place(self.backwards.len() - 1)
    }

    /// How many instructions a jump written next would pass over.
    fn over(&self, to: Place) -> usize {
        self.backwards.len() - to.0 - 1
    }

    fn jump(&mut self, to: Place) -> Place {
        self.push(JUMP, self.over(to) as u32, 0, 0)
    }

    /// A place from which, two instructions on, a conditional jump still comes to `to`.
    fn reach(&mut self, to: Place) -> Place {
        if self.over(to) + 2 > REACH {
            self.jump(to)
        } else {
            to
        }
    }

    fn branch(&mut self, code: u16, k: u32, yes: Place, no: Place) -> Place {
        let (yes, no) = (self.reach(yes), self.reach(no));
        self.push(code, k, self.over(yes), self.over(no))
    }

    /// Loads a word, then goes on at `next`.
    fn load(&mut self, offset: u32, next: Place) -> Place {
        if self.over(next) != 0 {
            self.jump(next);
        }
        self.push(LOAD, offset, 0, 0)
    }

    fn answer(&mut self, answer: Answer) -> Place {
        if let Some((_, place)) = self.answers.iter().find(|(known, _)| *known == answer) {
            return *place;
        }
        let place = self.push(RETURN, answer.value(), 0, 0);
        self.answers.push((answer, place));
        place
    }

    /// The numbers, as intervals that share a verdict: where each begins, in order, and its verdict.
    fn intervals(
        &mut self,
        rules: impl Iterator<Item = &'a Rule>,
        otherwise: Otherwise,
    ) -> Vec<(u32, Place)> {
        let mut calls: Vec<(Nr, &Rule)> = rules.flat_map(|r| r.calls.iter().map(move |n| (*n, r))).collect();
        calls.sort_by_key(|(nr, _)| *nr); // stable: the table's order is kept within a call
        let known = self.answer(otherwise.known);
        let mut intervals = vec![(0, known)];
        for call in calls.chunk_by(|a, b| a.0 == b.0) {
            let nr = call[0].0 as u32;
            let verdict = match call {
                [(_, rule), ..] if rule.when.is_empty() => self.answer(rule.answer),
                _ => self.block(call.iter().map(|(_, rule)| *rule), otherwise.known),
            };
            begin(&mut intervals, nr, verdict);
            begin(&mut intervals, nr + 1, known);
        }
        begin(
            &mut intervals,
            otherwise.newest as u32 + 1,
            self.answer(otherwise.unknown),
        );
        intervals
    }

    /// The instructions that judge a call by these rules.
    fn block(&mut self, rules: impl Iterator<Item = &'a Rule>, otherwise: Answer) -> Place {
        let rules: Vec<&Rule> = rules.collect();
        let same = |known: &[&Rule]| {
            known.len() == rules.len() && known.iter().zip(&rules).all(|(a, b)| std::ptr::eq(*a, *b))
        };
        if let Some((_, place)) = self.blocks.iter().find(|(known, _)| same(known)) {
            return *place;
        }
        let mut next = self.answer(otherwise);
        for rule in rules.iter().rev() {
            next = self.rule(rule, next);
        }
        self.blocks.push((rules, next));
        next
    }

    /// The rule's answer if all its conditions hold; `next` otherwise.
    fn rule(&mut self, rule: &Rule, next: Place) -> Place {
        let mut holds = self.answer(rule.answer);
        for when in rule.when.iter().rev() {
            holds = self.condition(when, holds, next);
        }
        holds
    }

    fn condition(&mut self, when: &When, yes: Place, no: Place) -> Place {
        let (arg, test) = match *when {
            When::AnyBit(arg, mask) => (arg, self.branch(JUMP_SET, mask, yes, no)),
            When::Is(arg, value) => (arg, self.branch(JUMP_EQ, value, yes, no)),
            When::MaskedIs(arg, mask, value) => {
                self.branch(JUMP_EQ, value, yes, no);
                (arg, self.push(AND, mask, 0, 0))
            }
            When::NoneOf(arg, values) => {
                let compare = |none: Place, value: &u32| self.branch(JUMP_EQ, *value, no, none);
                (arg, values.iter().rev().fold(yes, compare))
            }
        };
        // The low 32 bits (little endian).
        self.load(OFFSET_ARGS + 8 * u32::from(arg), test)
    }

    /// A binary search over the intervals; the call's number is in the accumulator.
    fn search(&mut self, intervals: &[(u32, Place)]) -> Place {
        if let [(_, verdict)] = intervals {
            return *verdict;
        }
        let (low, high) = intervals.split_at(intervals.len() / 2);
        let (high_place, low_place) = (self.search(high), self.search(low));
        self.branch(JUMP_GE, high[0].0, high_place, low_place)
    }
}

/// From this number on, this verdict.
fn begin(intervals: &mut Vec<(u32, Place)>, nr: u32, verdict: Place) {
    intervals.pop_if(|(from, _)| *from == nr);
    if intervals.last().is_none_or(|(_, last)| *last != verdict) {
        intervals.push((nr, verdict));
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::{Call, run};
    use super::super::table::{self, NEWEST, Scope};
    use super::super::{Filter, Strictness};
    use super::*;
    use proptest::prelude::*;

    /// What a filter returns for calls it does not know: `SECCOMP_RET_ERRNO`, with `ENOSYS`.
    const UNKNOWN: u32 = 0x0005_0000 | libc::ENOSYS as u32;
    const ALL: [Strictness; 3] = [Strictness::Flat, Strictness::Nested, Strictness::Landlock];

    /// What the table says, without any BPF.
    fn expected(strictness: Strictness, call: &Call) -> u32 {
        if call.arch != NATIVE || call.nr > NEWEST as u32 {
            return UNKNOWN;
        }
        let holds = |r: &&Rule| {
            strictness.holds(r.scope)
                && r.calls.contains(&Nr::from(call.nr))
                && r.when.iter().all(|w| holds(*w, &call.args))
        };
        table::RULES
            .iter()
            .find(holds)
            .map_or(Answer::Allow.value(), |r| r.answer.value())
    }

    fn holds(when: When, args: &[u64; 6]) -> bool {
        let low = |a: u8| args[a as usize] as u32;
        match when {
            When::AnyBit(a, mask) => low(a) & mask != 0,
            When::Is(a, v) => low(a) == v,
            When::MaskedIs(a, mask, v) => low(a) & mask == v,
            When::NoneOf(a, vs) => !vs.contains(&low(a)),
        }
    }

    #[test]
    fn every_number_with_no_arguments_is_judged_as_the_table_says() {
        for s in ALL {
            let filter = Filter::new(s);
            for nr in (0..2000).chain(0x4000_0000..0x4000_0200).chain([u32::MAX]) {
                let call = Call {
                    arch: NATIVE,
                    nr,
                    args: [0; 6],
                };
                assert_eq!(run(&filter.program, &call), expected(s, &call), "{s:?} call {nr}");
            }
        }
    }

    #[test]
    fn a_watching_filter_tells_of_programs_and_of_nothing_else() {
        for s in ALL {
            let (plain, watching) = (Filter::new(s), Filter::watching(s));
            for nr in 0..NEWEST as u32 {
                let call = Call {
                    arch: NATIVE,
                    nr,
                    args: [0; 6],
                };
                let executes = [libc::SYS_execve, libc::SYS_execveat].contains(&Nr::from(nr));
                let expected = if executes {
                    Answer::Tell.value()
                } else {
                    run(&plain.program, &call)
                };
                assert_eq!(run(&watching.program, &call), expected, "{s:?} call {nr}");
            }
        }
    }

    /// Arguments that some rule speaks of, and neighbours of them.
    fn argument() -> impl Strategy<Value = u64> {
        let named = [
            0u64,
            1,
            2,
            10,
            16,
            40,
            0o644,
            0o4755,
            0o2755,
            0x40,
            0x41_0000,
            0x5412,
            0x541c,
            0x5423,
            0x1_0000_5412,
            0x1000_0000,
            0x0002_0000,
            0x80,
            0x4_0000,
            0xffff_ffff,
            u64::MAX,
        ];
        prop_oneof![proptest::sample::select(named.to_vec()), any::<u64>()]
    }

    proptest! {
        #[test]
        fn any_call_is_judged_as_the_table_says(
            i in 0..table::RULES.len(), other in 0u32..500, pick in any::<bool>(),
            args in proptest::array::uniform6(argument()),
        ) {
            let calls = table::RULES[i].calls;
            let nr = if pick { calls[other as usize % calls.len()] as u32 } else { other };
            for s in ALL {
                let call = Call { arch: NATIVE, nr, args };
                prop_assert_eq!(run(&Filter::new(s).program, &call), expected(s, &call));
            }
        }

        #[test]
        fn other_architectures_get_one_answer(arch in any::<u32>(), nr in any::<u32>()) {
            prop_assume!(arch != NATIVE);
            let call = Call { arch, nr, args: [0; 6] };
            prop_assert_eq!(run(&Filter::new(Strictness::Nested).program, &call), UNKNOWN);
        }
    }

    #[test]
    fn the_program_is_small() {
        for s in ALL {
            assert!(Filter::new(s).len() < 300, "{s:?}: {}", Filter::new(s).len());
        }
    }

    /// Many rules, each with an answer of its own, so that jumps have far to go.
    #[test]
    fn jumps_beyond_their_reach_come_to_the_same_answer() {
        let rules: Vec<Rule> = (0..450)
            .map(|n| Rule {
                calls: Vec::leak(vec![n]),
                when: &[When::AnyBit(0, 1), When::NoneOf(1, &[7, 8])],
                answer: Answer::Error(1 + n as i32),
                scope: Scope::All,
                why: "a test of long jumps",
            })
            .collect();
        let otherwise = Otherwise {
            known: Answer::Allow,
            newest: NEWEST,
            unknown: Answer::Error(libc::ENOSYS),
        };
        let program = program(rules.iter(), otherwise);
        assert!(program.len() > 2000);
        for nr in 0..600u32 {
            for (args, fits) in [([1, 9], true), ([0, 9], false), ([1, 7], false), ([3, 8], false)] {
                let args = [args[0], args[1], 0, 0, 0, 0];
                let expected = match nr {
                    0..450 if fits => 0x0005_0000 | (1 + nr),
                    0..=469 => 0x7fff_0000,
                    _ => UNKNOWN,
                };
                let call = Call {
                    arch: NATIVE,
                    nr,
                    args,
                };
                assert_eq!(run(&program, &call), expected, "call {nr}, {args:?}");
            }
        }
    }

    #[test]
    fn every_refusal_says_why() {
        assert!(
            table::RULES
                .iter()
                .all(|r| r.why.len() > 10 && !r.calls.is_empty())
        );
    }

    #[test]
    fn a_nested_sandbox_still_has_no_way_around_the_filter() {
        let flat: Vec<_> = table::RULES
            .iter()
            .filter(|r| r.scope == Scope::Flat)
            .flat_map(|r| r.calls)
            .collect();
        for nr in [
            libc::SYS_io_uring_setup,
            libc::SYS_clone3,
            libc::SYS_openat2,
            libc::SYS_ptrace,
            libc::SYS_keyctl,
        ] {
            assert!(!flat.contains(&&nr));
        }
    }
}
