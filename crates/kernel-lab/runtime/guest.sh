# SPDX-License-Identifier: GPL-2.0-only OR MIT
# What `cargo xtask bench runtime` runs in a guest before the kinds of kernel work. The host adds the
# calls of the programs that do them at the end.

/bin/busybox --install -s /bin
exec >/dev/null 2>/dev/kmsg

mkdir -p /tmp /ext4 /dev/pts
mount -t tmpfs tmpfs /tmp
mount -t devpts devpts /dev/pts
# A RAM disk: the file is in memory. Without loop or ext4, there is no such kind of work.
if mkdir /disk && mount -t tmpfs tmpfs /disk && gunzip -c /ext4.gz >/disk/ext4 &&
	losetup /dev/loop0 /disk/ext4 && mount -t ext4 /dev/loop0 /ext4; then
	echo "kbuild-lto: saw ext4" >/dev/kmsg
else
	rmdir /ext4
fi
