// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The messages of the kernel: its initcalls, and its faults.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// The beginnings and parts of messages that tell a fault.
const FAULTS: [&str; 7] = [
    "WARNING: ",
    "BUG: ",
    "Oops",
    "kernel BUG at ",
    "Unable to handle kernel ",
    "undefined instruction",
    "disagrees about version of symbol",
];

/// An initcall that has ended.
#[derive(Debug, PartialEq, Eq)]
struct Initcall {
    name: String,
    result: String,
}

/// The messages that the kernel still has.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Messages {
    initcalls: Vec<Initcall>,
    faults: Vec<String>,
    /// The first message is not the first that the kernel wrote.
    begins_late: bool,
}

impl Messages {
    /// Reads all messages from `/dev/kmsg`; the error is a text for the page.
    pub fn read(path: &Path) -> Result<Self, String> {
        let shown =
            |error: std::io::Error| format!("/dev/kmsg: {error} (run this program as root)");
        let mut options = OpenOptions::new();
        // Without the flag, the read after the last message would wait for the next.
        options.read(true).custom_flags(libc::O_NONBLOCK);
        let mut file = options.open(path).map_err(shown)?;
        let mut text = Vec::new();
        let mut record = vec![0; 1 << 16];
        loop {
            match file.read(&mut record) {
                Ok(0) => break,
                Ok(n) => text.extend_from_slice(&record[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A message was overwritten before it was read; the next read goes on after it.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(shown(error)),
            }
        }
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    /// Reads records `<level>,<number>,<time>,<flags>;<message>`. Lines that begin with a blank belong to the
    /// record before.
    fn parse(text: &str) -> Self {
        let mut messages = Self::default();
        for (index, line) in text
            .lines()
            .filter(|line| !line.starts_with(' '))
            .enumerate()
        {
            let (head, message) = line.split_once(';').unwrap_or(("", line));
            if index == 0 {
                messages.begins_late = head.split(',').nth(1).is_some_and(|number| number != "0");
            }
            messages.initcalls.extend(initcall(message));
            if FAULTS.iter().any(|part| message.contains(part)) {
                messages.faults.push(message.to_owned());
            }
        }
        messages
    }

    /// Returns the number of initcalls, a hash of their order, and those that failed.
    pub fn initcalls(&self) -> String {
        let Self { initcalls, .. } = self;
        let late = if self.begins_late {
            "; the first messages are lost (boot with log_buf_len=4M)"
        } else {
            ""
        };
        if initcalls.is_empty() {
            return format!("no message about one (boot with initcall_debug){late}");
        }
        let mut hash = Sha256::new();
        for initcall in initcalls {
            hash.update(&initcall.name);
            hash.update("\n");
        }
        let hash = hash.finalize();
        let hash = hash.iter().take(8).fold(String::new(), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        let failed = initcalls.iter().filter(|initcall| initcall.result != "0");
        let failed = failed.map(|Initcall { name, result }| format!("`{name}` returned {result}"));
        format!(
            "{} ended, order {hash}{late}{}",
            initcalls.len(),
            crate::items(failed)
        )
    }

    /// Returns the messages that tell a fault.
    pub fn faults(&self) -> String {
        let shown = self
            .faults
            .iter()
            .take(20)
            .map(|fault| format!("`{fault}`"));
        format!("{}{}", self.faults.len(), crate::items(shown))
    }
}

/// Reads `initcall <name>+0x0/0x10 returned 0 after 12 usecs`. The name has no suffix of thin LTO, so that orders of
/// kernels with and without LTO can be compared.
fn initcall(message: &str) -> Option<Initcall> {
    let rest = message.strip_prefix("initcall ")?;
    let (place, rest) = rest.split_once(" returned ")?;
    let result = rest.split(' ').next()?;
    let (name, _) = place.split_once('+')?;
    let name = name.split(".llvm.").next().unwrap_or(name);
    Some(Initcall {
        name: name.to_owned(),
        result: result.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "6,0,0,-;Linux version 5.10.262\n SUBSYSTEM=x\n\
                        7,1,5,-;calling  a_init+0x0/0x10 @ 1\n\
                        7,2,5,-;initcall a_init.llvm.12+0x0/0x10 returned 0 after 3 usecs\n\
                        7,3,5,-;initcall b_init+0x0/0x10 [b] returned -19 after 4 usecs\n\
                        4,4,5,-;WARNING: CPU: 0 PID: 1 at a.c:1 f+0x0/0x10\n";

    #[test]
    fn initcalls_are_read_in_order_with_their_results() {
        let messages = Messages::parse(TEXT);
        let text = messages.initcalls();
        assert!(text.starts_with("2 ended, order "), "{text}");
        assert!(text.ends_with("\n  - `b_init` returned -19"), "{text}");
        // The suffix of LTO does not matter, and the order does.
        let without = Messages::parse(&TEXT.replace(".llvm.12", ""));
        assert_eq!(without.initcalls(), text);
        let swapped = Messages::parse(&TEXT.replace("b_init", "0_init"));
        assert_ne!(
            swapped.initcalls().split(' ').nth(3),
            text.split(' ').nth(3)
        );
    }

    #[test]
    fn lost_messages_and_faults_are_told() {
        let messages = Messages::parse(TEXT);
        assert!(messages.faults().starts_with("1\n  - `WARNING: CPU: 0"));
        let late = Messages::parse("6,812,0,-;usb\n");
        let text = late.initcalls();
        assert!(
            text.contains("initcall_debug") && text.contains("are lost"),
            "{text}"
        );
        assert_eq!(late.faults(), "0");
    }
}
