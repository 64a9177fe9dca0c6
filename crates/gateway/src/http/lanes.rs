//! Lanes that wait to be used again.

use super::judge::Judge;
use fumehood_lane::Lane;
use std::io;
use std::sync::{Mutex, PoisonError};

/// How many wait at most: a lane costs two descriptors and a little memory.
const IDLE: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Lanes(Mutex<Vec<Lane>>);

impl Lanes {
    /// One that waits, or a new one.
    pub(crate) async fn take(&self, judge: &impl Judge) -> io::Result<Lane> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match waiting {
            Some(lane) => Ok(lane),
            None => judge.lane().await,
        }
    }

    /// Puts back one whose exchange is over. One that holds anything is dropped: nothing was asked for.
    pub(crate) fn put(&self, lane: Lane) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lane.reader.is_empty() && waiting.len() < IDLE {
            waiting.push(lane);
        }
    }
}
