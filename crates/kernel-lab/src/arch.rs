// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The architectures a kernel is built and booted for, and what differs between them.

use std::path::Path;
use std::path::PathBuf;

/// An architecture, by the name that the kernel's `ARCH=` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit Arm.
    Arm64,
    /// 64-bit x86.
    X86_64,
}

impl Arch {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// The value of make's `ARCH=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// The value of make's `CROSS_COMPILE=`. No program of that prefix is called with `LLVM=1`, but
    /// trees before 5.15 derive clang's `--target` from it.
    pub fn cross_compile(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu-",
            Self::X86_64 => "x86_64-linux-gnu-",
        }
    }

    /// Debian's name for it.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "amd64",
        }
    }

    /// clang's target for programs of the guest.
    pub fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::X86_64 => "x86_64-linux-gnu",
        }
    }

    /// The kernel image that QEMU loads.
    pub fn image(self, objtree: &Path) -> PathBuf {
        objtree.join(match self {
            Self::Arm64 => "arch/arm64/boot/Image",
            Self::X86_64 => "arch/x86/boot/bzImage",
        })
    }

    /// The kernel image in `objtree`, which must have been built.
    ///
    /// # Errors
    /// There is none.
    pub fn built_image(self, objtree: &Path) -> anyhow::Result<PathBuf> {
        let image = self.image(objtree);
        anyhow::ensure!(
            image.is_file(),
            "{}: no such kernel image; build it first",
            image.display()
        );
        Ok(image)
    }

    /// QEMU's program.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-aarch64",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// The Debian package of [`Self::qemu`].
    pub fn qemu_package(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-arm",
            Self::X86_64 => "qemu-system-x86",
        }
    }

    /// QEMU's machine and processor. The Arm machine starts the kernel at EL2, so that KVM's nVHE
    /// code runs too, on a processor without VHE.
    pub fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Arm64 => &["-M", "virt,virtualization=on", "-cpu", "cortex-a57"],
            Self::X86_64 => &["-M", "q35", "-cpu", "max"],
        }
    }

    /// What the kernel must be told about that machine. QEMU's TSC is the same on all processors,
    /// which it does not say; without it the vDSO has no clock to read.
    pub fn kernel_parameters(self) -> &'static str {
        match self {
            Self::Arm64 => "",
            Self::X86_64 => "tsc=reliable ",
        }
    }

    /// The name of the serial console in the guest.
    pub fn console(self) -> &'static str {
        match self {
            Self::Arm64 => "ttyAMA0",
            Self::X86_64 => "ttyS0",
        }
    }
}
