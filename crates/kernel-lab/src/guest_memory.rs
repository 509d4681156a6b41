// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Reads the memory of a guest when it powers off, by QEMU's machine protocol (QMP).
//!
//! Source: QEMU's reference of the protocol (`memsave`, `qmp_capabilities`, `quit`; events `SHUTDOWN`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use anyhow::Context as _;
use serde_json::{Value, json};

/// A piece of a guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A piece whose place is known.
    At {
        /// Its virtual address, for the first processor.
        address: u64,
        /// Its size in bytes.
        size: u64,
    },
    /// A piece whose place the guest knows.
    Behind {
        /// The virtual address of two words of 8 bytes: the address of the piece, and its size in bytes.
        address: u64,
    },
}

/// The size of the words before a piece.
const WORDS_SIZE: u64 = 16;

/// The memory of a guest, in bytes; no piece is larger.
const LARGEST: u64 = 1 << 30;

/// Waits for QEMU, and then for the end of the guest.
pub(crate) struct Reader {
    dir: tempfile::TempDir,
    thread: JoinHandle<anyhow::Result<bool>>,
    n_pieces: usize,
}

/// The event that QEMU sends when the guest powers off or resets.
const SHUTDOWN: &str = "SHUTDOWN";

impl Reader {
    /// Starts to wait for QEMU.
    ///
    /// # Errors
    /// A directory or socket cannot be made.
    pub(crate) fn start(pieces: &[Piece]) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot create a directory for QEMU's socket")?;
        let listener =
            UnixListener::bind(socket(dir.path())).context("cannot open QEMU's socket")?;
        let pieces = pieces.iter().zip(0..);
        let pieces = pieces.map(|(piece, index)| (*piece, file(dir.path(), index)));
        let pieces: Vec<_> = pieces.collect();
        let n_pieces = pieces.len();
        let thread = std::thread::spawn(move || {
            let (qemu, _) = listener.accept().context("waiting for QEMU")?;
            drop(listener);
            serve(qemu, &pieces)
        });
        Ok(Self {
            dir,
            thread,
            n_pieces,
        })
    }

    /// Returns QEMU's options: it keeps the memory of a guest that has ended, and connects.
    pub(crate) fn options(&self) -> [String; 3] {
        let socket = socket(self.dir.path());
        let qmp = format!("unix:{},server=off", socket.display());
        ["-no-shutdown".to_owned(), "-qmp".to_owned(), qmp]
    }

    /// Returns the pieces, after QEMU has ended; nothing if the guest did not end.
    ///
    /// # Errors
    /// QEMU could not read the memory.
    pub(crate) fn finish(self) -> anyhow::Result<Option<Vec<Vec<u8>>>> {
        // If QEMU never connected, the thread still waits; this connection ends at once. Otherwise
        // nobody listens any more, and it is refused.
        drop(UnixStream::connect(socket(self.dir.path())));
        let served = self.thread.join();
        let served =
            served.map_err(|_| anyhow::anyhow!("the thread that talks to QEMU panicked"))?;
        if !served.context("reading the memory of a guest")? {
            return Ok(None);
        }
        let pieces = (0..self.n_pieces).map(|index| {
            let path = file(self.dir.path(), index);
            std::fs::read(&path).with_context(|| path.display().to_string())
        });
        Ok(Some(pieces.collect::<anyhow::Result<_>>()?))
    }
}

fn socket(dir: &Path) -> PathBuf {
    dir.join("qmp")
}

fn file(dir: &Path, index: usize) -> PathBuf {
    dir.join(index.to_string())
}

/// Lets QEMU write each of `pieces` to its file when the guest has ended, and then quit. Returns whether the guest
/// ended: QEMU may be stopped before.
fn serve(qemu: UnixStream, pieces: &[(Piece, PathBuf)]) -> anyhow::Result<bool> {
    let mut writer = qemu.try_clone().context("cannot open QEMU's socket")?;
    let mut lines = BufReader::new(qemu).lines();
    // A killed QEMU resets the connection instead of closing it.
    let mut next = || lines.next().and_then(Result::ok);
    let mut send = |command: &Value| writeln!(writer, "{command}");
    if next().is_none() {
        return Ok(false);
    }
    if send(&json!({"execute": "qmp_capabilities"})).is_err() {
        return Ok(false);
    }
    loop {
        let Some(line) = next() else {
            return Ok(false);
        };
        if parse(&line)?["event"] == SHUTDOWN {
            break;
        }
    }
    let mut memsave =
        |address, size, path: &Path| execute(&memsave(address, size, path)?, &mut send, &mut next);
    let read = pieces
        .iter()
        .try_for_each(|(piece, path)| read_piece(*piece, path, &mut memsave));
    // A guest that has ended stays until QEMU is told to quit, and QEMU forgets a command whose sender has
    // gone. So wait until it closes the connection.
    send(&json!({"execute": "quit"})).context("ending QEMU")?;
    while next().is_some() {}
    read.map(|()| true)
}

/// Lets `memsave` write a piece to a file.
fn read_piece(
    piece: Piece,
    path: &Path,
    memsave: &mut impl FnMut(u64, u64, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (address, size) = match piece {
        Piece::At { address, size } => (address, size),
        Piece::Behind { address } => {
            memsave(address, WORDS_SIZE, path)?;
            let words = std::fs::read(path).with_context(|| path.display().to_string())?;
            let mut words = words.chunks(8).map(|word| Some(*word.first_chunk()?));
            let mut word = || words.next().flatten().map(u64::from_le_bytes);
            let place = word().zip(word());
            place.with_context(|| format!("QEMU wrote fewer than {WORDS_SIZE} bytes"))?
        }
    };
    anyhow::ensure!(
        size <= LARGEST,
        "the guest says that {size} bytes are at {address:#x}; its memory has {LARGEST}"
    );
    if size == 0 {
        return std::fs::write(path, []).with_context(|| path.display().to_string());
    }
    memsave(address, size, path)
}

/// Returns the command that writes a piece of memory to a file.
fn memsave(address: u64, size: u64, path: &Path) -> anyhow::Result<Value> {
    let path = path.to_str().context("a path that is not UTF-8")?;
    // The protocol has signed numbers, and kernels have the upper half of the addresses.
    let address = address.cast_signed();
    let arguments = json!({"val": address, "size": size, "filename": path});
    Ok(json!({"execute": "memsave", "arguments": arguments}))
}

/// Lets QEMU execute a command, and waits for its answer.
fn execute(
    command: &Value,
    send: &mut impl FnMut(&Value) -> std::io::Result<()>,
    next: &mut impl FnMut() -> Option<String>,
) -> anyhow::Result<()> {
    send(command).with_context(|| command.to_string())?;
    loop {
        let line = next().with_context(|| format!("{command}: QEMU ended"))?;
        let answer = parse(&line)?;
        let error = &answer["error"];
        anyhow::ensure!(error.is_null(), "{command}: {}", error["desc"]);
        if !answer["return"].is_null() {
            return Ok(());
        }
    }
}

fn parse(line: &str) -> anyhow::Result<Value> {
    serde_json::from_str(line).with_context(|| format!("QEMU's answer `{line}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [Piece; 2] = [
        Piece::At {
            address: 0xffff_8000_1000_0000,
            size: 3,
        },
        Piece::At {
            address: 16,
            size: 4,
        },
    ];

    /// Plays QEMU: sends `events` after the greeting, answers each command, and writes what it is asked
    /// for.
    fn play(socket: &Path, events: &str, answer: &str) -> Vec<Value> {
        let stream = UnixStream::connect(socket).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines();
        writeln!(writer, r#"{{"QMP": {{}}}}"#).unwrap();
        let mut commands = Vec::new();
        let mut first = Some(events);
        while let Some(Ok(line)) = lines.next() {
            let command = parse(&line).unwrap();
            if let Some(path) = command["arguments"]["filename"].as_str() {
                let size = command["arguments"]["size"].as_u64().unwrap();
                let at = command["arguments"]["val"].as_i64().unwrap();
                // Two words say where a piece is: at 48, with as many bytes as their own address.
                let content = match size {
                    WORDS_SIZE => [48_u64, at.cast_unsigned()].map(u64::to_le_bytes).concat(),
                    size => vec![b'x'; size as usize],
                };
                std::fs::write(path, content).unwrap();
            }
            // QEMU answers only while the connection is open, and then ends.
            let is_last = command["execute"] == "quit";
            commands.push(command);
            if is_last {
                writer.write_all(answer.as_bytes()).unwrap();
                break;
            }
            let sent = first.take().map_or_else(
                || answer.to_owned(),
                |events| format!("{{\"return\": {{}}}}\n{events}"),
            );
            writer.write_all(sent.as_bytes()).unwrap();
            if events.is_empty() {
                break;
            }
        }
        commands
    }

    const EVENTS: &str =
        "{\"event\": \"RESUME\"}\n{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n";
    const ANSWER: &str = "{\"event\": \"STOP\"}\n{\"return\": {}}\n";

    #[test]
    fn memory_is_read_when_the_guest_has_ended() {
        let reader = Reader::start(&PIECES).unwrap();
        let [.., qmp] = reader.options();
        assert!(qmp.starts_with("unix:/"), "{qmp}");
        let commands = play(&socket(reader.dir.path()), EVENTS, ANSWER);
        let names: Vec<_> = commands
            .iter()
            .map(|command| command["execute"].as_str())
            .collect();
        let memsave = Some("memsave");
        assert_eq!(
            names,
            [Some("qmp_capabilities"), memsave, memsave, Some("quit")]
        );
        assert_eq!(commands[1]["arguments"]["val"], -0x7fff_f000_0000_i64);
        let read = reader.finish().unwrap().unwrap();
        assert_eq!(read, [b"xxx".to_vec(), b"xxxx".to_vec()]);
    }

    #[test]
    fn the_guest_says_where_a_piece_is() {
        let pieces = [5, 0].map(|address| Piece::Behind { address });
        let reader = Reader::start(&pieces).unwrap();
        let commands = play(&socket(reader.dir.path()), EVENTS, ANSWER);
        let places = commands.iter().map(|command| &command["arguments"]["val"]);
        let places: Vec<_> = places.filter_map(Value::as_i64).collect();
        assert_eq!(places, [5, 48, 0]);
        let read = reader.finish().unwrap().unwrap();
        assert_eq!(read, [b"xxxxx".to_vec(), Vec::new()]);
    }

    #[test]
    fn a_piece_that_is_larger_than_the_guest_is_refused() {
        let pieces = [Piece::Behind {
            address: LARGEST + 1,
        }];
        let reader = Reader::start(&pieces).unwrap();
        play(&socket(reader.dir.path()), EVENTS, ANSWER);
        let error = format!("{:#}", reader.finish().unwrap_err());
        assert!(error.contains("1073741825 bytes are at 0x30"), "{error}");
    }

    #[test]
    fn a_guest_that_does_not_end_leaves_nothing() {
        let reader = Reader::start(&PIECES).unwrap();
        play(&socket(reader.dir.path()), "", ANSWER);
        assert_eq!(reader.finish().unwrap(), None);
        // QEMU did not start.
        assert_eq!(Reader::start(&PIECES).unwrap().finish().unwrap(), None);
    }

    #[test]
    fn memory_that_cannot_be_read_is_an_error() {
        let reader = Reader::start(&PIECES).unwrap();
        let socket = socket(reader.dir.path());
        let refused = "{\"error\": {\"desc\": \"Invalid addr\"}}\n";
        let commands = play(&socket, EVENTS, refused);
        let last = commands.last().map(|command| &command["execute"]);
        assert!(last.is_some_and(|last| last == "quit"), "{commands:?}");
        let error = format!("{:#}", reader.finish().unwrap_err());
        assert!(error.contains("Invalid addr"), "{error}");
    }
}
