// SPDX-License-Identifier: GPL-2.0-only OR MIT
"use strict";

// An error is shown, so that an incomplete page does not look complete.
const showError = (message) => {
  const place = document.createElement("pre");
  place.id = "script-error";
  place.textContent = `The script of this page failed: ${message}`;
  document.body.prepend(place);
};
addEventListener("error", (event) => showError(event.message));

(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const compared = data.builds.length > 1;
  const byId = (id) => document.getElementById(id);

  // ---- Small helpers -------------------------------------------------------------------------

  const make = (tag, attributes = {}, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...content);
    return element;
  };
  const grouped = (number) => String(Math.abs(number)).replace(/\B(?=(\d{3})+$)/g, ",");
  const signed = (number) => (number > 0 ? "+" : number < 0 ? "\u2212" : "") + grouped(number);
  const short = (bytes) => {
    if (bytes < 1024) return `${bytes} B`;
    if (bytes < 1024 * 1024) return `${(bytes / 1024).toFixed(1)} KiB`;
    return `${(bytes / 1024 / 1024).toFixed(2)} MiB`;
  };
  const percent = (a, b) => {
    if (b === 0) return a === 0 ? "" : "new";
    const share = ((a - b) / b) * 100;
    return `${share > 0 ? "+" : share < 0 ? "\u2212" : ""}${Math.abs(share).toFixed(1)}\u00a0%`;
  };

  // ---- The tree ------------------------------------------------------------------------------
  // a and b are the bytes in both builds, d is the sum of all differences below; x and y are the
  // executed instructions of both builds, if they were measured.

  const newNode = (name, parent) => {
    const path = parent && parent.path ? `${parent.path}/${name}` : name;
    const node = { name, parent, path, a: 0, b: 0, d: 0, x: 0, y: 0, children: new Map(), hits: 0 };
    if (parent) parent.children.set(name, node);
    return node;
  };
  const root = newNode("", null);
  const leaves = [];
  for (const [object, symbols] of data.objects) {
    let node = root;
    for (const part of object.split("/")) node = node.children.get(part) ?? newNode(part, node);
    for (const [name, group, [a, b], change, executed] of symbols) {
      // Bytes without a symbol may have the same name in two groups.
      const known = node.children.get(name);
      const leaf = known ? newNode(`${name} (${data.groups[group][0]})`, node) : newNode(name, node);
      const [x, y] = executed ?? [0, 0];
      Object.assign(leaf, { a, b: b ?? 0, x, y: y ?? 0, group, change, children: null });
      leaf.d = Math.abs(leaf.a - leaf.b);
      leaves.push(leaf);
      for (let above = node; above; above = above.parent) {
        above.a += leaf.a;
        above.b += leaf.b;
        above.d += leaf.d;
        above.x += leaf.x;
        above.y += leaf.y;
      }
    }
  }
  const find = (path) => {
    let node = root;
    for (const part of path.split("/").filter((part) => part)) {
      const child = node.children?.get(part);
      // A link may be older than the report: the existing part of its path is shown.
      if (!child) break;
      node = child;
    }
    return node;
  };

  // ---- State ---------------------------------------------------------------------------------
  // The hash contains all of it, so that a view can be linked.

  const VIEWS = { a: "A", b: "B", difference: "Difference" };
  const readState = () => {
    const hash = new URLSearchParams(location.hash.slice(1));
    const view = hash.get("view");
    return {
      path: hash.get("path") ?? "",
      view: compared && Object.hasOwn(VIEWS, view) ? view : "a",
      q: hash.get("q") ?? "",
    };
  };
  const hashOf = (state) => {
    const hash = new URLSearchParams();
    if (state.path) hash.set("path", state.path);
    if (state.view !== "a") hash.set("view", state.view);
    if (state.q) hash.set("q", state.q);
    return `#${String(hash).replaceAll("%2F", "/")}`;
  };
  let state = readState();
  let focusFirst = false;
  const go = (change) => {
    location.hash = hashOf({ ...state, ...change });
  };
  const valueOf = (node) => (state.view === "a" ? node.a : state.view === "b" ? node.b : node.d);

  // ---- The treemap ---------------------------------------------------------------------------

  // Squarified: rows are filled along the shorter side as long as that makes the tiles of the row
  // more like squares (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
  const squarify = (items, box) => {
    let { x, y, w, h } = box;
    const placed = [];
    let first = 0;
    while (first < items.length) {
      const side = Math.min(w, h);
      let sum = 0;
      let worst = Infinity;
      let end = first;
      while (end < items.length) {
        const more = sum + items[end].area;
        const ratio = (area) => Math.max((side * side * area) / (more * more), (more * more) / (side * side * area));
        const next = Math.max(ratio(items[first].area), ratio(items[end].area));
        if (next > worst) break;
        worst = next;
        sum = more;
        end += 1;
      }
      const depth = side > 0 ? sum / side : 0;
      let along = 0;
      for (const item of items.slice(first, end)) {
        const length = depth > 0 ? item.area / depth : 0;
        placed.push(
          w >= h
            ? { ...item, x, y: y + along, w: depth, h: length }
            : { ...item, x: x + along, y, w: length, h: depth },
        );
        along += length;
      }
      if (w >= h) {
        x += depth;
        w -= depth;
      } else {
        y += depth;
        h -= depth;
      }
      first = end;
    }
    return placed;
  };

  // Symbols that are too small to be seen or clicked share one tile.
  const MIN_AREA = 60;
  const layout = (node, box) => {
    const total = valueOf(node);
    if (total === 0 || box.w < 2 || box.h < 2) return [];
    const scale = (box.w * box.h) / total;
    const items = [];
    const small = { n: 0, value: 0 };
    for (const child of node.children.values()) {
      const value = valueOf(child);
      if (value === 0) continue;
      if (value * scale >= MIN_AREA) items.push({ node: child, area: value * scale });
      else {
        small.n += 1;
        small.value += value;
      }
    }
    items.sort((one, other) => other.area - one.area);
    if (small.n > 0) items.push({ rest: small, area: small.value * scale });
    return squarify(items, box);
  };

  const colour = ({ a, b }) => {
    if (!compared) return "";
    const share = a === b ? 0 : (a - b) / Math.max(a, b);
    // A few per cent are much for a directory: the root makes them visible.
    const strength = Math.round(Math.sqrt(Math.abs(share)) * 100);
    const towards = share > 0 ? "--grew" : "--shrank";
    return `color-mix(in srgb, var(${towards}) ${strength}%, var(--flat))`;
  };
  const executedBy = ({ x, y }) => {
    if (!data.executed || x + y === 0) return "";
    return compared ? `; A ${grouped(x)}, B ${grouped(y)} instructions, ${percent(x, y)}` : `; ${grouped(x)} instructions`;
  };
  const describe = (node) => {
    const kind = node.change === undefined || node.change === null ? "" : `, ${data.change_names[node.change]}`;
    const group = node.group === undefined ? "" : `, ${data.groups[node.group][0]}`;
    const sizes = compared
      ? `A ${grouped(node.a)}, B ${grouped(node.b)} bytes, ${signed(node.a - node.b)} ${percent(node.a, node.b)}`
      : `${grouped(node.a)} bytes`;
    return `${node.path || "all"}: ${sizes}${group}${kind}${executedBy(node)}`;
  };

  const map = byId("map");
  let shown = root;
  let chosen = null;
  const detail = (node) => {
    byId("detail").textContent = describe(node ?? chosen ?? shown);
  };
  const tile = ({ node, rest, x, y, w, h }, isOuter) => {
    const element = make(rest ? "div" : "button", { class: "tile" });
    Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${w}px`, height: `${h}px` });
    const roomy = w > 34 && h > 17;
    if (rest) {
      element.classList.add("rest");
      if (state.q) element.classList.add("dim");
      element.title = `${grouped(rest.n)} smaller: ${grouped(rest.value)} bytes`;
      if (roomy) element.append(make("span", {}, `${grouped(rest.n)} smaller`));
      return element;
    }
    element.type = "button";
    element.dataset.path = node.path;
    element.setAttribute("aria-label", describe(node));
    element.style.background = colour(node);
    element.classList.toggle("leaf", !node.children);
    element.classList.toggle("outer", isOuter);
    element.classList.toggle("chosen", node === chosen);
    if (state.q) element.classList.add(node.hits > 0 ? "hit" : "dim");
    element.tabIndex = -1;
    if (roomy) {
      const size = short(valueOf(node));
      const name = make("span", {}, node.name);
      if (isOuter) name.append(" ", make("small", { class: "bytes" }, size));
      element.append(name);
      if (!isOuter && h > 33 && w > 58) element.append(make("span", { class: "bytes" }, size));
    }
    return element;
  };
  const HEAD = 19;
  const draw = () => {
    map.replaceChildren();
    const box = { x: 0, y: 0, w: map.clientWidth, h: map.clientHeight };
    const outer = layout(shown, box);
    for (const place of outer) {
      const nested = place.node?.children && place.w > 70 && place.h > 48;
      const element = tile(place, Boolean(nested));
      element.classList.add("first");
      map.append(element);
      if (!nested) continue;
      const inside = { x: place.x + 3, y: place.y + HEAD, w: place.w - 6, h: place.h - HEAD - 3 };
      for (const child of layout(place.node, inside)) map.append(tile(child, false));
    }
    if (outer.length === 0) {
      const nothing = state.view === "difference" ? "Nothing here changed its size." : "This build has nothing here.";
      map.append(make("p", { class: "tile rest" }, nothing));
    }
    const first = tiles()[0];
    if (first) {
      first.tabIndex = 0;
      if (focusFirst) first.focus();
    }
    focusFirst = false;
  };
  const tiles = () => [...map.querySelectorAll("button.first")];

  map.addEventListener("click", (event) => {
    const path = event.target.closest("button")?.dataset.path;
    if (path !== undefined) {
      // A click by the keyboard has no position; only then the focus follows.
      focusFirst = event.detail === 0;
      go({ path });
    }
  });
  const onTile = (event) => {
    const path = event.target.closest("button")?.dataset.path;
    detail(path === undefined ? null : find(path));
  };
  map.addEventListener("mouseover", onTile);
  map.addEventListener("focusin", onTile);
  map.addEventListener("mouseleave", () => detail(null));
  map.addEventListener("keydown", (event) => {
    const all = tiles();
    const at = all.indexOf(document.activeElement);
    const target = {
      ArrowRight: all[at + 1],
      ArrowDown: all[at + 1],
      ArrowLeft: all[at - 1],
      ArrowUp: all[at - 1],
      Home: all[0],
      End: all.at(-1),
    }[event.key];
    if (target) {
      event.preventDefault();
      all.forEach((element) => (element.tabIndex = element === target ? 0 : -1));
      target.focus();
    } else if (["Escape", "Backspace"].includes(event.key) && shown.parent) {
      event.preventDefault();
      focusFirst = true;
      go({ path: shown.parent.path });
    }
  });
  addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== byId("search")) {
      event.preventDefault();
      byId("search").focus();
    }
  });

  // ---- The rest of the page -----------------------------------------------------------------

  const crumbs = () => {
    const above = [];
    for (let node = chosen ?? shown; node; node = node.parent) above.unshift(node);
    byId("crumbs").replaceChildren();
    above.forEach((node, index) => {
      const name = node.name || "all";
      const isLast = index === above.length - 1;
      const crumb = isLast
        ? make("b", { "aria-current": "page" }, name)
        : make("a", { href: hashOf({ ...state, path: node.path }) }, name);
      byId("crumbs").append(...(index > 0 ? [" / "] : []), crumb);
    });
  };

  const head = (first, more = []) => {
    const names = compared ? [first, "A", "B", "A \u2212 B", "%", ...more] : [first, "bytes", ...more];
    return make("thead", {}, make("tr", {}, ...names.map((name) => make("th", { scope: "col" }, name))));
  };
  const row = (name, a, b, more = []) => {
    const numbers = compared ? [grouped(a), grouped(b), signed(a - b), percent(a, b)] : [grouped(a)];
    return make("tr", {}, make("td", {}, name), ...[...numbers, ...more].map((text) => make("td", {}, text)));
  };
  const MAX_ROWS = 250;
  const children = () => {
    const nodes = [...shown.children.values()];
    nodes.sort((one, other) => valueOf(other) - valueOf(one) || Math.max(other.a, other.b) - Math.max(one.a, one.b));
    const hasChanges = compared && nodes.some((node) => node.change !== undefined && node.change !== null);
    const body = make("tbody");
    for (const node of nodes.slice(0, MAX_ROWS)) {
      const name = make("a", { href: hashOf({ ...state, path: node.path }) }, node.name);
      const more = hasChanges ? [data.change_names[node.change] ?? ""] : [];
      if (data.executed) more.push(grouped(node.x), ...(compared ? [grouped(node.y), percent(node.x, node.y)] : []));
      body.append(row(name, node.a, node.b, more));
    }
    if (nodes.length > MAX_ROWS) body.append(make("tr", {}, make("td", {}, `and ${grouped(nodes.length - MAX_ROWS)} more`)));
    const more = hasChanges ? ["change"] : [];
    if (data.executed) more.push(...(compared ? ["instructions of A", "of B", "%"] : ["instructions"]));
    byId("children").replaceChildren(head("name", more), body);
    byId("children-title").textContent = shown.path ? `In ${shown.path}` : "In all";
  };

  const MAX_FOUND = 200;
  const search = () => {
    const mark = [root];
    while (mark.length > 0) {
      const node = mark.pop();
      node.hits = 0;
      if (node.children) mark.push(...node.children.values());
    }
    const place = byId("found");
    place.hidden = state.q === "";
    place.replaceChildren();
    if (state.q === "") return;
    const wanted = state.q.toLowerCase();
    const found = leaves.filter((leaf) => leaf.name.toLowerCase().includes(wanted));
    for (const leaf of found) for (let node = leaf; node; node = node.parent) node.hits += 1;
    const rank = (leaf) => (leaf.name.toLowerCase() === wanted ? Infinity : Math.max(leaf.a, leaf.b));
    found.sort((one, other) => (rank(one) === rank(other) ? 0 : rank(other) - rank(one)));
    const list = make("ul");
    for (const leaf of found.slice(0, MAX_FOUND)) {
      const link = make("a", { href: hashOf({ ...state, path: leaf.path }) }, leaf.name);
      list.append(make("li", {}, link, " ", make("small", {}, describe(leaf))));
    }
    const more = found.length > MAX_FOUND ? `; the largest ${MAX_FOUND}:` : "";
    const count = found.length === 1 ? "1 symbol matches" : `${grouped(found.length)} symbols match`;
    place.append(make("p", { id: "found-count" }, `${count}${more}`), list);
  };

  const once = () => {
    const [build, other] = data.builds;
    const name = compared ? `Linux ${build.release}: ${build.lto} against ${other.lto}` : `Linux ${build.release}: ${build.lto}`;
    byId("title").textContent = name;
    document.title = `${name}: sizes`;
    data.builds.forEach((one, index) => {
      const label = compared ? `${"AB"[index]}: ${one.lto}` : one.lto;
      byId("builds").append(make("b", {}, label), ` ${one.objtree}, ${grouped(one.n_inputs)} objects by ${one.inputs}. `);
    });
    byId("builds").append(`Sizes are those of ${data.measured}.`);
    const card = (title, [a, b]) => {
      const change = compared ? `${signed(a - b)} bytes, ${percent(a, b)}` : `${grouped(a)} bytes`;
      byId("cards").append(make("div", { class: "card" }, make("span", {}, title), make("b", {}, short(a)), make("span", {}, change)));
    };
    card("In memory", data.total);
    if (data.image) card(data.image[0], data.image[1]);
    if (data.modules[0] > 0) card(`${data.modules[0]} modules, as loaded`, data.modules[1]);
    if (data.executed) {
      const [sets, [x, y]] = data.executed;
      const change = compared ? `${signed(x - y)}, ${percent(x, y)}` : `by the sets ${sets.join(", ")}`;
      const title = make("span", {}, "Executed instructions");
      byId("cards").append(make("div", { class: "card" }, title, make("b", {}, grouped(x)), make("span", {}, change)));
    }
    for (const [change, n, [a, b]] of data.changes) {
      if (n === 0 || change === 0) continue;
      const bytes = `${signed(a - b)} bytes`;
      byId("cards").append(
        make("div", { class: "card" }, make("span", {}, `symbols ${data.change_names[change]}`), make("b", {}, grouped(n)), make("span", {}, bytes)),
      );
    }
    const body = make("tbody");
    data.groups.forEach(([group, [a, b]], index) => {
      if (a === 0 && !b) return;
      const sum = row(index === data.groups.length - 1 ? "discarded by the final link" : group, a, b ?? 0);
      sum.className = "sum";
      body.append(sum);
      const families = data.sections.filter((section) => section[0] === index);
      families.sort((one, other) => other[2][0] - one[2][0]);
      if (families.length > 1) for (const [, section, [size, before]] of families) body.append(row(section, size, before ?? 0));
    });
    const total = row("in memory", data.total[0], data.total[1] ?? 0);
    total.className = "sum";
    body.append(total);
    byId("sections").replaceChildren(head("section"), body);
    if (compared) {
      for (const [view, label] of Object.entries(VIEWS)) {
        const button = make("button", { type: "button", "data-view": view }, label);
        button.addEventListener("click", () => go({ view }));
        byId("views").append(button);
      }
      byId("legend").append("Area: bytes, or what changed. Colour: gone", make("i"), "new. ");
    }
    byId("legend").append("Arrows move, Enter zooms in, Escape zooms out, / searches.");
    byId("search").addEventListener("input", (event) => {
      // Typing adds no entries to the Back button.
      history.replaceState(null, "", hashOf({ ...state, q: event.target.value }));
      render();
    });
  };

  const render = () => {
    state = readState();
    const node = find(state.path);
    chosen = node.children ? null : node;
    shown = chosen ? chosen.parent : node;
    for (const button of byId("views").children) {
      button.setAttribute("aria-pressed", String(button.dataset.view === state.view));
    }
    const input = byId("search");
    if (input.value !== state.q) input.value = state.q;
    search();
    draw();
    crumbs();
    children();
    detail(null);
  };

  once();
  render();
  addEventListener("hashchange", render);
  addEventListener("resize", draw);
})();
