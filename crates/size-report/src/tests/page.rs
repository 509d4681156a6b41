// SPDX-License-Identifier: GPL-2.0-only OR MIT
//! Renders the page in a headless browser.

use std::path::Path;
use std::process::Command;

use test_support::TestDir;

use super::compared::pair;
use super::{Kernel, function};
use crate::{Report, html};

/// The browser of the Debian package of this name.
const BROWSER: &str = "chromium";

/// A page in a browser.
pub struct Page {
    dir: TestDir,
}

impl Page {
    pub fn of(report: &Report) -> Self {
        let page = Self {
            dir: TestDir::new(),
        };
        page.dir.write("report.html", html::page(report).unwrap());
        page
    }

    /// Returns the document that the script made for this view.
    pub fn view(&self, hash: &str) -> String {
        let path = self.dir.join("report.html");
        let dom = dump_dom(&path, hash);
        assert!(
            dom.contains("id=\"map\""),
            "{BROWSER} did not draw the page:\n{dom}"
        );
        assert!(!dom.contains("id=\"script-error\""), "{dom}");
        dom
    }
}

fn dump_dom(page: &Path, hash: &str) -> String {
    let profile = TestDir::new();
    let mut browser = Command::new(BROWSER);
    browser
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1200,900",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("file://{}#{hash}", page.display()));
    let output = browser.output().unwrap_or_else(|error| {
        panic!("this test needs {BROWSER}: {error}. Install the package {BROWSER}, or run `cargo xtask setup --tests`")
    });
    assert!(
        output.status.success(),
        "{browser:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the paths of the tiles, in the order of the document.
fn tiles(dom: &str) -> Vec<&str> {
    let paths = dom.split("data-path=\"").skip(1);
    paths.filter_map(|rest| rest.split('"').next()).collect()
}

/// Returns the text of the element with this id, without tags. It contains no element of the same kind.
pub fn text(dom: &str, id: &str) -> String {
    let found = dom.split_once(&format!("id=\"{id}\""));
    let (before, rest) = found.unwrap_or_else(|| panic!("no #{id} in\n{dom}"));
    let (_, tag) = before.rsplit_once('<').unwrap();
    let tag = tag.split(' ').next().unwrap();
    let (_, rest) = rest.split_once('>').unwrap();
    let end = rest.find(&format!("</{tag}>")).unwrap();
    let mut text = String::new();
    let mut is_tag = false;
    for c in rest[..end].chars() {
        match c {
            '<' => is_tag = true,
            '>' => is_tag = false,
            _ if is_tag => {}
            c => text.push(c),
        }
    }
    text
}

#[test]
fn directories_objects_and_symbols_are_drawn() {
    let (kernel, other) = pair();
    let page = Page::of(&kernel.report_against(&other));
    let dom = page.view("");
    let shown = tiles(&dom);
    for path in ["kernel", "fs", "kernel/one.o", "fs/ext4"] {
        assert!(shown.contains(&path), "{path} is not in {shown:?}");
    }
    assert_eq!(text(&dom, "title"), "Linux 6.12.0: no LTO against no LTO");
    assert_eq!(text(&dom, "crumbs"), "all");
    // The kernel has 72 bytes, the other 100.
    assert!(text(&dom, "cards").contains("72 B"), "{dom}");
    assert!(text(&dom, "sections").contains("72100\u{2212}28"), "{dom}");

    let dom = page.view("path=kernel/one.o");
    let shown = tiles(&dom);
    let expected = [
        "kernel/one.o/grew",
        "kernel/one.o/same",
        "kernel/one.o/shrank",
    ];
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(
        expected.iter().all(|path| shown.contains(path)),
        "{shown:?}"
    );
    assert_eq!(text(&dom, "crumbs"), "all / kernel / one.o");
    let children = text(&dom, "children");
    assert!(
        children.contains("grew2416+8+50.0&nbsp;%grew"),
        "{children}"
    );
    assert!(
        children.contains("inlined08\u{2212}8\u{2212}100.0&nbsp;%inlined away or merged"),
        "{children}"
    );

    // A symbol is shown among the others of its object.
    let dom = page.view("path=kernel/one.o/grew");
    assert_eq!(tiles(&dom).len(), 3);
    assert!(
        text(&dom, "detail").starts_with("kernel/one.o/grew: A 24, B 16 bytes, +8 +50.0&nbsp;%"),
        "{dom}"
    );
}

#[test]
fn each_view_draws_what_is_in_it() {
    let (kernel, other) = pair();
    let page = Page::of(&kernel.report_against(&other));
    let names = |hash: &str| {
        let dom = page.view(hash);
        let mut names: Vec<_> = tiles(&dom).iter().map(|path| (*path).to_owned()).collect();
        names.sort_unstable();
        names
    };
    let path = |name: &str| format!("kernel/one.o/{name}");
    let of_other = ["grew", "inlined", "same", "shrank"].map(path);
    assert_eq!(names("path=kernel/one.o&view=b"), of_other);
    let changed = ["grew", "inlined", "shrank"].map(path);
    assert_eq!(names("path=kernel/one.o&view=difference"), changed);
    // A link of an older report may name a missing symbol: the view goes as deep as possible.
    assert!(names("path=kernel/gone.o/x").contains(&"kernel/one.o".to_owned()));
}

#[test]
fn search_lists_and_marks() {
    let (kernel, other) = pair();
    let page = Page::of(&kernel.report_against(&other));
    let dom = page.view("q=UNUSED&view=b");
    let found = text(&dom, "found");
    assert!(
        found.contains("unused_too") && found.contains(", dropped"),
        "{found}"
    );
    assert!(dom.contains("2 symbols match"), "{dom}");
    let class = |path: &str| {
        let (before, _) = dom.split_once(&format!("data-path=\"{path}\"")).unwrap();
        let (_, element) = before.rsplit_once("<button").unwrap();
        element.to_owned()
    };
    assert!(class("fs").contains("hit"), "{}", class("fs"));
    assert!(class("kernel").contains("dim"), "{}", class("kernel"));
    assert!(page.view("q=nowhere").contains("0 symbols match"));
}

#[test]
fn one_build_has_no_difference() {
    let source = function("alone", 16);
    let kernel = Kernel::of_assembly(&[("kernel/a.o", source)]);
    let dom = Page::of(&kernel.report()).view("view=difference");
    assert!(tiles(&dom).contains(&"kernel/a.o"));
    assert!(!dom.contains("data-view="));
    assert_eq!(text(&dom, "title"), "Linux 6.12.0: no LTO");
}

#[test]
fn an_error_of_the_script_is_seen() {
    let (kernel, _) = pair();
    let page = html::page(&kernel.report()).unwrap();
    let dir = TestDir::new();
    let broken = page.replacen("\"measured\":", "\"measured", 1);
    let path = dir.write("report.html", broken);
    assert!(dump_dom(&path, "").contains("id=\"script-error\""));
}

#[test]
fn the_page_needs_nothing_else() {
    let (kernel, _) = pair();
    let page = html::page(&kernel.report()).unwrap();
    for outside in ["http:", "https:", "src=", "@import", "url(", "fetch("] {
        assert!(!page.contains(outside), "{outside}");
    }
}
