//! An interpreter of the BPF subset that [`super::assemble`] emits: the oracle of its tests.

use super::assemble::{AND, Instruction, JUMP, JUMP_EQ, JUMP_GE, JUMP_SET, LOAD, RETURN};

/// What the kernel shows a filter: `struct seccomp_data`.
pub(super) struct Call {
    pub(super) arch: u32,
    pub(super) nr: u32,
    pub(super) args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.nr,
            4 => self.arch,
            o => {
                let arg = self.args[(o as usize - 16) / 8];
                if (o - 16).is_multiple_of(8) {
                    arg as u32
                } else {
                    (arg >> 32) as u32
                }
            }
        }
    }
}

/// Runs a program to its return value; panics where the kernel would refuse the program.
pub(super) fn run(program: &[Instruction], call: &Call) -> u32 {
    let (mut at, mut acc) = (0usize, 0u32);
    loop {
        let i = program[at];
        at += 1;
        let branch = |yes: bool| usize::from(if yes { i.jt } else { i.jf });
        match i.code {
            LOAD => acc = call.word(i.k),
            AND => acc &= i.k,
            JUMP => at += i.k as usize,
            JUMP_EQ => at += branch(acc == i.k),
            JUMP_GE => at += branch(acc >= i.k),
            JUMP_SET => at += branch(acc & i.k != 0),
            RETURN => return i.k,
            other => panic!("opcode {other:#x}"),
        }
    }
}
