// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! The architectures that kernels are built and booted for, and the differences between them.

use std::path::Path;
use std::path::PathBuf;

use crate::files;

/// An architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arch {
    /// 64-bit Arm.
    Arm64,
    /// 64-bit x86.
    X86_64,
}

impl Arch {
    /// All architectures.
    pub const ALL: [Self; 2] = [Self::Arm64, Self::X86_64];

    /// Returns the architecture that an object tree is configured for.
    ///
    /// # Errors
    /// Its configuration cannot be read.
    pub fn of_objtree(objtree: &Path) -> anyhow::Result<Self> {
        let config = files::read(&objtree.join(".config"))?;
        let is_arm = config.lines().any(|line| line == "CONFIG_ARM64=y");
        Ok(if is_arm { Self::Arm64 } else { Self::X86_64 })
    }

    /// Returns the value of make's `ARCH=`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// Returns the value of make's `CROSS_COMPILE=`. With `LLVM=1`, no program with this prefix is
    /// called, but trees before 5.15 derive clang's `--target` from it.
    pub fn cross_compile(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu-",
            Self::X86_64 => "x86_64-linux-gnu-",
        }
    }

    /// Returns Debian's name for the architecture.
    pub fn debian(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "amd64",
        }
    }

    /// Returns clang's target for programs of the guest.
    pub fn target(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-linux-gnu",
            Self::X86_64 => "x86_64-linux-gnu",
        }
    }

    /// Returns the path in `objtree` of the kernel image that QEMU loads.
    pub fn image(self, objtree: &Path) -> PathBuf {
        objtree.join(match self {
            Self::Arm64 => "arch/arm64/boot/Image",
            Self::X86_64 => "arch/x86/boot/bzImage",
        })
    }

    /// Returns the path of the kernel image in `objtree`, which must have been built.
    ///
    /// # Errors
    /// The image is missing.
    pub fn built_image(self, objtree: &Path) -> anyhow::Result<PathBuf> {
        let image = self.image(objtree);
        anyhow::ensure!(
            image.is_file(),
            "{}: no such kernel image; build it first",
            image.display()
        );
        Ok(image)
    }

    /// Returns the name of QEMU's program.
    pub fn qemu(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-aarch64",
            Self::X86_64 => "qemu-system-x86_64",
        }
    }

    /// Returns the Debian package of [`Self::qemu`].
    pub fn qemu_package(self) -> &'static str {
        match self {
            Self::Arm64 => "qemu-system-arm",
            Self::X86_64 => "qemu-system-x86",
        }
    }

    /// Returns QEMU's options for machine and processor. The Arm machine starts the kernel at EL2
    /// on a processor without VHE, so that KVM's nVHE code runs too.
    pub fn machine(self) -> &'static [&'static str] {
        match self {
            Self::Arm64 => &["-M", "virt,virtualization=on", "-cpu", "cortex-a57"],
            Self::X86_64 => &["-M", "q35", "-cpu", "max"],
        }
    }

    /// Returns the kernel parameters for that machine. QEMU's TSC is the same on all processors but
    /// is not announced as such, and without a reliable TSC the vDSO has no clock to read.
    pub fn kernel_parameters(self) -> &'static str {
        match self {
            Self::Arm64 => "",
            Self::X86_64 => "tsc=reliable ",
        }
    }

    /// Returns the name of the serial console in the guest.
    pub fn console(self) -> &'static str {
        match self {
            Self::Arm64 => "ttyAMA0",
            Self::X86_64 => "ttyS0",
        }
    }
}
