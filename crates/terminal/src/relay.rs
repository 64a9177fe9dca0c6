//! The relay: bytes from the program in, bytes for the terminal out, and back.

use std::time::Duration;

use crate::input::InputFilter;
use crate::model::Model;
use crate::options::Options;
use crate::parser::Parser;
use crate::popup::{Choice, PopUp};
use crate::render::Renderer;
use crate::size::Size;
use crate::status::Status;

/// A frame that stays open longer is shown unfinished (synchronized output, mode 2026).
const LONGEST_FRAME: Duration = Duration::from_millis(150);

/// What came of a piece of the program's output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// To be written to the user's terminal.
    pub to_terminal: Vec<u8>,
    /// To be written to the pty: the answers to what the program asked its terminal.
    pub to_pty: Vec<u8>,
}

/// Stands between a program's pty and the user's terminal.
///
/// It does no input or output and has no clock: the caller reads and writes,
/// and says what time it is (any monotonic clock, as a duration from any
/// moment it likes). The terminal is expected in raw mode.
///
/// ```
/// use std::time::Duration;
/// use fumehood_terminal::{Options, Relay, Size};
///
/// let mut relay = Relay::new(Size::new(24, 80), Options::default());
/// let mut screen = relay.start();
/// let output = relay.output(b"hello \x1b]52;c;aGk=\x07\x1b[6n", Duration::ZERO);
/// screen.extend(&output.to_terminal);
/// assert_eq!(output.to_pty, b"\x1b[1;7R"); // answered by the model
/// screen.extend(relay.finish());
/// assert!(!screen.windows(3).any(|bytes| bytes == b"]52")); // no clipboard
/// ```
#[derive(Debug)]
pub struct Relay {
    size: Size,
    options: Options,
    parser: Parser,
    model: Model,
    renderer: Renderer,
    input: InputFilter,
    phase: Phase,
    frame: Frame,
    /// A question that stands over the program's screen.
    popup: Option<PopUp>,
}

/// Whether the terminal is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Running,
    Finished,
}

/// What happened while a piece of output was read.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    frame_ended: bool,
    /// Rows went to the scrollback; the screen below them is to be painted.
    rows_sent: bool,
}

/// Whether the program is in the middle of a synchronized update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Closed,
    /// Nothing is painted before this time.
    Until(Duration),
    /// Open for too long: painted all the same.
    Overdue,
}

impl Relay {
    /// A relay for a terminal of `size`, the whole of it.
    #[must_use]
    pub fn new(size: Size, options: Options) -> Self {
        Self {
            size,
            options,
            parser: Parser::default(),
            model: Model::new(size.inner(), options, options.origin_row.unwrap_or(0)),
            renderer: Renderer::new(size),
            input: InputFilter::new(size.inner().rows()),
            phase: Phase::Fresh,
            frame: Frame::Closed,
            popup: None,
        }
    }

    /// The size to give the program's pty: one row less than the terminal,
    /// if that has at least four.
    #[must_use]
    pub fn inner_size(&self) -> Size {
        self.size.inner()
    }

    /// Takes the terminal over; what to write to it. The first output does so
    /// too. Called after [`Relay::finish`], it goes on where that left off.
    pub fn start(&mut self) -> Vec<u8> {
        self.ensure_started();
        self.renderer.take()
    }

    fn ensure_started(&mut self) {
        if self.phase == Phase::Running {
            return;
        }
        if self.phase == Phase::Finished {
            // The shell has used the screen meanwhile.
            self.model.drop_foreign();
            self.renderer.forget();
        }
        self.phase = Phase::Running;
        self.renderer.start(self.options.origin_row.take());
        self.renderer.render(&mut self.model);
        self.ask_again();
    }

    /// Takes what the program wrote to its pty.
    ///
    /// Work and result are bounded by a multiple of `bytes` and of the screen;
    /// pieces of up to 64 KiB are a good size. After [`Relay::finish`] nothing
    /// is written to the terminal any more.
    pub fn output(&mut self, bytes: &[u8], now: Duration) -> Output {
        if self.phase == Phase::Fresh {
            self.ensure_started();
        }
        let work = self.digest(bytes);
        if let Some(title) = self.model.title.take() {
            self.renderer.set_title(title);
        }
        self.update_frame(work.frame_ended, now);
        let waits = matches!(self.frame, Frame::Until(_)) && !work.rows_sent;
        let bell = std::mem::take(&mut self.model.bell);
        if self.phase == Phase::Running {
            if !waits && self.popup.is_none() {
                self.renderer.render(&mut self.model);
            }
            if bell {
                self.renderer.ring(now);
            }
        }
        Output {
            to_terminal: self.renderer.take(),
            to_pty: self.model.answers.take(),
        }
    }

    /// Lets the model read all of `bytes`; what cannot wait is sent meanwhile.
    fn digest(&mut self, mut bytes: &[u8]) -> Work {
        let mut work = Work::default();
        loop {
            bytes = &bytes[self.parser.advance(&mut self.model, bytes)..];
            if std::mem::take(&mut self.model.frame_done) && !work.frame_ended {
                work.frame_ended = true;
                self.show_frame();
            }
            if self.model.departed.is_full() {
                work.rows_sent = true;
                self.send_rows();
            }
            if bytes.is_empty() {
                return work;
            }
        }
    }

    /// One completed frame a call is enough: whoever draws faster is not watched.
    fn show_frame(&mut self) {
        if self.phase == Phase::Running && self.popup.is_none() {
            self.renderer.render(&mut self.model);
        }
    }

    fn send_rows(&mut self) {
        match self.phase {
            Phase::Running => {
                // A question waits for a moment: what scrolled away belongs to the other screen.
                if self.popup.is_some() {
                    self.renderer.close();
                }
                self.renderer.send_departed(&mut self.model);
                self.ask_again();
            }
            Phase::Fresh | Phase::Finished => self.model.departed.sent(),
        }
    }

    fn update_frame(&mut self, ended: bool, now: Duration) {
        self.frame = match self.frame {
            _ if !self.model.frame_open => Frame::Closed,
            Frame::Until(due) if !ended && now >= due => Frame::Overdue,
            unchanged @ (Frame::Until(_) | Frame::Overdue) if !ended => unchanged,
            _ => Frame::Until(now.saturating_add(LONGEST_FRAME)),
        }
    }

    /// When to call [`Relay::tick`], if nothing happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match self.frame {
            Frame::Until(due) => Some(due),
            Frame::Closed | Frame::Overdue => None,
        }
    }

    /// Time has passed; what to write to the terminal because of that.
    pub fn tick(&mut self, now: Duration) -> Vec<u8> {
        if self.deadline().is_some_and(|due| now >= due) {
            self.frame = Frame::Overdue;
            self.show_frame();
        }
        self.renderer.take()
    }

    /// Takes what the terminal sent; what to write to the pty.
    ///
    /// Keys, mouse, focus and paste go through as they are. Answers to
    /// questions do not: nothing inside ever asked the real terminal. The
    /// mouse on the status row is not reported.
    pub fn input(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        self.input.feed(bytes, &mut out);
        out
    }

    /// Whether the end of the input is held back because it may be the start
    /// of an answer. If so and nothing follows within some 25 ms, call
    /// [`Relay::input_timeout`].
    #[must_use]
    pub fn input_pending(&self) -> bool {
        self.input.is_pending()
    }

    /// Nothing followed: what was held back was a key, such as Escape.
    pub fn input_timeout(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.input.timeout(&mut out);
        out
    }

    /// The terminal has a new size. The pty is to be given [`Relay::inner_size`] after this.
    ///
    /// Terminals differ in what they do with their lines then, so the screen
    /// is painted anew, and the scrollback may hold a few lines twice.
    pub fn resize(&mut self, size: Size) -> Vec<u8> {
        self.size = size;
        self.fit_popup();
        self.input.set_rows(size.inner().rows());
        self.renderer.resize(size);
        if self.phase != Phase::Running {
            self.model.resize(size.inner());
            return Vec::new();
        }
        if self.popup.is_some() {
            self.renderer.close();
        }
        self.renderer.set_region();
        self.model.departed.fit(size.inner());
        self.renderer.send_departed(&mut self.model);
        self.scroll_for_resize(size.inner());
        self.renderer.forget();
        self.renderer.render(&mut self.model);
        self.ask_again();
        self.renderer.take()
    }

    /// Lets the terminal keep what the new screen has no room for. Its own
    /// resizing moves away one row less than ours, for the status row.
    fn scroll_for_resize(&mut self, inner: Size) {
        let foreign = self.model.drop_foreign();
        let forced_out = self.model.resize(inner);
        if !self.model.on_alternate {
            self.renderer.scroll_away(foreign + usize::from(forced_out > 0));
        }
    }

    /// Changes the status row; what to write to the terminal.
    pub fn set_status(&mut self, status: Status) -> Vec<u8> {
        self.renderer.set_status(status);
        if self.phase == Phase::Running && self.popup.is_some() {
            self.ask_again();
        } else if self.phase == Phase::Running {
            self.renderer.render_status(&self.model);
        }
        self.renderer.take()
    }

    /// Paints everything again, for when something else has written to the terminal.
    pub fn repaint(&mut self) -> Vec<u8> {
        self.renderer.forget();
        self.show_frame();
        self.renderer.take()
    }

    /// Asks something over the program's screen, in the place of what was asked before. What is typed from now on is
    /// for [`Relay::answer`].
    pub fn ask(&mut self, popup: PopUp) -> Vec<u8> {
        self.popup = Some(popup);
        self.fit_popup();
        self.ask_again();
        self.renderer.take()
    }

    fn fit_popup(&mut self) {
        let size = self.size;
        if let Some(popup) = &mut self.popup {
            popup.fit(size);
        }
    }

    fn ask_again(&mut self) {
        if let (Some(popup), Phase::Running) = (&self.popup, self.phase) {
            self.renderer.open();
            self.renderer.paint_popup(popup);
        }
    }

    /// Whether something is asked.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.popup.is_some()
    }

    /// What was read from the keyboard while something is asked: what was chosen, and what to write to the terminal.
    pub fn answer(&mut self, bytes: &[u8], now: Duration) -> (Option<Choice>, Vec<u8>) {
        let choice = self.popup.as_mut().and_then(|popup| popup.keys(bytes, now));
        match choice {
            Some(_) => (choice, self.withdraw()),
            None => {
                self.ask_again();
                (None, self.renderer.take())
            }
        }
    }

    /// Asks nothing any more: the program's screen is as it would be had nothing been asked.
    pub fn withdraw(&mut self) -> Vec<u8> {
        if self.popup.take().is_some() && self.phase == Phase::Running {
            self.renderer.close();
            self.renderer.render(&mut self.model);
        }
        self.renderer.take()
    }

    /// Gives the terminal back as it was found: its modes, the normal screen,
    /// no scroll region, an empty last row, the cursor where the program left it.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.popup.is_some() && self.phase == Phase::Running {
            self.renderer.close();
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Finished;
            self.renderer.render(&mut self.model);
            self.renderer.finish(&self.model);
        }
        self.renderer.take()
    }
}
