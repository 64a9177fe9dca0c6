//! From rules to classic BPF.
//!
//! The program checks the architecture, refuses the x32 numbers and everything newer than the
//! table, then finds the call by binary search, so that a hot call such as `openat` costs about
//! fifteen instructions and a call without arguments is cached by the kernel as a constant
//! decision (since Linux 5.11).

use super::table::{Answer, NEWEST, Rule, When};
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

// Opcodes, from linux/bpf_common.h.
pub(crate) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(crate) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(crate) const JUMP_EQ: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(crate) const JUMP_GT: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
pub(crate) const JUMP_SET: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

// Offsets into struct seccomp_data (linux/seccomp.h).
pub(crate) const OFFSET_NR: u32 = 0;
pub(crate) const OFFSET_ARCH: u32 = 4;
const OFFSET_ARGS: u32 = 16;

pub(crate) const ALLOW: u32 = 0x7fff_0000; // SECCOMP_RET_ALLOW
pub(crate) const ERRNO: u32 = 0x0005_0000; // SECCOMP_RET_ERRNO

#[cfg(target_arch = "x86_64")]
pub(crate) const NATIVE: u32 = 0xc000_003e; // AUDIT_ARCH_X86_64
#[cfg(target_arch = "aarch64")]
pub(crate) const NATIVE: u32 = 0xc000_00b7; // AUDIT_ARCH_AARCH64

const UNKNOWN: Answer = Answer(libc::ENOSYS);

const fn op(code: u16, k: u32) -> Instruction {
    Instruction {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> Instruction {
    Instruction { code, jt, jf, k }
}

const fn answer(a: Answer) -> Instruction {
    op(RETURN, ERRNO | (a.0 as u32 & 0xffff))
}

/// Assembles the whole filter.
pub(super) fn program<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<Instruction> {
    let mut out = vec![
        op(LOAD, OFFSET_ARCH),
        // Another architecture's numbers (i386 through int 0x80) get the same answer for all.
        branch(JUMP_EQ, NATIVE, 1, 0),
        answer(UNKNOWN),
        op(LOAD, OFFSET_NR),
        // x32 numbers have bit 30 set; all of them are above the newest known.
        branch(JUMP_GT, NEWEST as u32, 0, 1),
        answer(UNKNOWN),
    ];
    out.extend(search(&blocks(rules)));
    out
}

/// A call number and the instructions that judge it, each block ending in a return.
type Block = (Nr, Vec<Instruction>);

fn blocks<'a>(rules: impl Iterator<Item = &'a Rule>) -> Vec<Block> {
    let mut pairs: Vec<(Nr, &Rule)> = rules.flat_map(|r| r.calls.iter().map(move |n| (*n, r))).collect();
    pairs.sort_by_key(|(nr, _)| *nr); // stable: the table's order is kept within a call
    pairs
        .chunk_by(|a, b| a.0 == b.0)
        .map(|group| (group[0].0, block(group)))
        .collect()
}

fn block(rules: &[(Nr, &Rule)]) -> Vec<Instruction> {
    let mut out: Vec<Instruction> = rules.iter().flat_map(|(_, r)| rule(r)).collect();
    out.push(op(RETURN, ALLOW));
    out
}

/// The rule's answer if all its conditions hold; falls through to what follows otherwise.
fn rule(r: &Rule) -> Vec<Instruction> {
    let mut out = vec![answer(r.answer)];
    for when in r.when.iter().rev() {
        let mut tested = condition(when, out.len());
        tested.append(&mut out);
        out = tested;
    }
    out
}

/// Tests one condition; jumps over the `rest` instructions that follow it if it does not hold.
fn condition(when: &When, rest: usize) -> Vec<Instruction> {
    let rest = u8::try_from(rest).unwrap_or(u8::MAX); // tests hold the table far below this
    match *when {
        When::AnyBit(arg, mask) => vec![load(arg), branch(JUMP_SET, mask, 0, rest)],
        When::Is(arg, value) => vec![load(arg), branch(JUMP_EQ, value, 0, rest)],
        When::MaskedIs(arg, mask, value) => vec![load(arg), op(AND, mask), branch(JUMP_EQ, value, 0, rest)],
        When::NoneOf(arg, values) => {
            let last = values.len();
            let compare = |(i, v): (usize, &u32)| branch(JUMP_EQ, *v, rest + (last - 1 - i) as u8, 0);
            std::iter::once(load(arg))
                .chain(values.iter().enumerate().map(compare))
                .collect()
        }
    }
}

/// The low 32 bits of an argument (little endian).
const fn load(arg: u8) -> Instruction {
    op(LOAD, OFFSET_ARGS + 8 * arg as u32)
}

/// A binary search over the blocks; the call's number is in the accumulator.
fn search(blocks: &[Block]) -> Vec<Instruction> {
    match blocks {
        [] => vec![op(RETURN, ALLOW)],
        [(nr, code)] => {
            let mut out = vec![branch(JUMP_EQ, *nr as u32, 1, 0), op(RETURN, ALLOW)];
            out.extend_from_slice(code);
            out
        }
        _ => {
            let (low, high) = blocks.split_at(blocks.len() / 2);
            let (left, right) = (search(low), search(high));
            let pivot = low[low.len() - 1].0 as u32;
            // Conditional jumps reach 255 instructions; the far one is unconditional.
            let mut out = vec![branch(JUMP_GT, pivot, 0, 1), op(JUMP, left.len() as u32)];
            out.extend(left);
            out.extend(right);
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpret::{Call, run};
    use super::super::table::{self, Scope};
    use super::super::{Filter, Strictness};
    use super::*;
    use proptest::prelude::*;

    const ALL: [Strictness; 3] = [Strictness::Flat, Strictness::Nested, Strictness::Landlock];

    /// What the table says, without any BPF.
    fn expected(strictness: Strictness, call: &Call) -> u32 {
        if call.arch != NATIVE || call.nr > NEWEST as u32 {
            return ERRNO | libc::ENOSYS as u32;
        }
        let holds = |r: &&Rule| {
            strictness.holds(r.scope)
                && r.calls.contains(&Nr::from(call.nr))
                && r.when.iter().all(|w| holds(*w, &call.args))
        };
        table::RULES
            .iter()
            .find(holds)
            .map_or(ALLOW, |r| ERRNO | r.answer.0 as u32)
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
            prop_assert_eq!(run(&Filter::new(Strictness::Nested).program, &call), ERRNO | libc::ENOSYS as u32);
        }
    }

    #[test]
    fn jumps_stay_in_reach_and_the_program_is_small() {
        for s in ALL {
            assert!(Filter::new(s).len() < 1000, "{s:?}: {}", Filter::new(s).len());
        }
        for r in table::RULES {
            assert!(rule(r).len() < 100);
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
