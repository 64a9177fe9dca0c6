//! A request's body, as it comes from the lane.

use super::release::BodyDigest;
use bytes::{Bytes, BytesMut};
use fumehood_http::{Denial, Fields, FrameKind, ResponseHead};
use fumehood_lane::LaneReader;

/// What comes next.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    End(Fields),
    /// The client broke off.
    Cut,
    /// The gateway is gone, or says what it should not.
    Gone,
}

/// One request's body.
#[derive(Debug, Default)]
pub(crate) struct Up {
    /// All of it, where it was read before.
    whole: Option<Bytes>,
    trailers: Fields,
    ended: bool,
}

impl Up {
    /// Reads a body that was judged, before anything of the request is sent.
    pub(crate) async fn compare(
        &mut self,
        reader: &mut LaneReader,
        digest: BodyDigest,
    ) -> Result<(), Denial> {
        let body = self.gather(reader, digest.length).await?;
        if body.as_ref().is_none_or(|body| BodyDigest::of(body) != digest) {
            return Err(Denial::new(
                403,
                "the body is not the one that was judged; nothing was sent",
            ));
        }
        self.whole = body;
        Ok(())
    }

    /// All of the body; none if it is longer than `most`.
    pub(crate) async fn gather(
        &mut self,
        reader: &mut LaneReader,
        most: usize,
    ) -> Result<Option<Bytes>, Denial> {
        let mut body = BytesMut::new();
        loop {
            match self.next(reader).await {
                Piece::Data(data) => body.extend_from_slice(&data),
                Piece::End(trailers) => {
                    self.trailers = trailers;
                    return Ok(Some(body.freeze()));
                }
                Piece::Cut | Piece::Gone => return Err(Denial::new(400, "the request's body broke off")),
            }
            if body.len() > most {
                return Ok(None);
            }
        }
    }

    /// The body, changed: it takes the place of what was read.
    pub(crate) fn replace(&mut self, body: Vec<u8>) {
        self.whole = (!body.is_empty()).then(|| body.into());
    }

    /// Whether [`Up::next`] would not wait.
    pub(crate) fn is_ready(&self, reader: &LaneReader) -> bool {
        self.ended || self.whole.is_some() || reader.is_ready()
    }

    /// The next piece. After the end: the end again.
    pub(crate) async fn next(&mut self, reader: &mut LaneReader) -> Piece {
        loop {
            if let Some(all) = self.whole.take() {
                return Piece::Data(all);
            }
            if self.ended {
                return Piece::End(std::mem::take(&mut self.trailers));
            }
            let Ok(frame) = reader.next().await else {
                return Piece::Gone;
            };
            match frame.kind {
                FrameKind::Data => return Piece::Data(frame.payload),
                FrameKind::Trailers => match ResponseHead::decode(&frame.payload) {
                    Ok(head) => self.trailers = head.fields,
                    Err(_) => return Piece::Gone,
                },
                FrameKind::End => self.ended = true,
                FrameKind::Abort => {
                    self.ended = true;
                    return Piece::Cut;
                }
                _ => return Piece::Gone,
            }
        }
    }

    /// Reads to the end without using it; whether it came.
    pub(crate) async fn read_past(&mut self, reader: &mut LaneReader) -> bool {
        while !self.ended {
            if matches!(self.next(reader).await, Piece::Gone) {
                return false;
            }
        }
        true
    }
}
