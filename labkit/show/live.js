// The pipeline, alive: draws what the widget's traits say (labkit/show/live.py), and hands over what is dropped.
// What comes from outside, names of files included, is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";
const CATCH_UP_MS = 2500; // how long it may take to show what has happened since the last look
const STEP_MS = 900; // from hop to hop where motion is unwelcome
const SLOWER = [1, 2, 5, 10, 20, 50, 100, 200];
const LITTLE = 34; // px: the longer side of a picture on the map
const ENOUGH = 0.88; // of the width of a form of the map: with less, another form is shown, and no smaller letters
const WIDEST_OF_A_TELEPHONE = "440px"; // as on other pages (labkit/show/forms.py)
const MOST_DOTS = 12; // of one look
const STYLE = `
:host{display:block;color-scheme:var(--scheme);--ink:#1b2733;--soft:#4a5662;--line:#5b6770;--sheet:#fff;--card:#f5f7f9;
  --here:#8a5a00;--bad:#a11616;--good:#1f6b3f;--new:#0b4f9e;--lit:#ffeeb8}
:host([data-theme=dark]){--ink:#e9eef3;--soft:#b3bec9;--line:#93a0ac;--sheet:#15191e;--card:#1f252c;--here:#ffd166;
  --bad:#ff9d94;--good:#7ad6a0;--new:#8fc4ff;--lit:#453600}
section{font:14px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;
  color:var(--ink);background:var(--sheet);max-width:1100px;padding:4px 8px 8px}
button,select{font:inherit;color:var(--ink);background:var(--card);border:1px solid var(--line);border-radius:5px;
  padding:3px 10px;cursor:pointer}
button:disabled{opacity:.5;cursor:default}
:focus-visible{outline:3px solid var(--new);outline-offset:2px}
.map{position:relative}.map>svg{display:block;width:100%;height:auto}
.map>svg.above{position:absolute;inset:0;pointer-events:none}
.zone{position:absolute;background:none;border:0;border-radius:6px;padding:0}
.zone:hover,.over .zone{background:color-mix(in srgb,var(--new) 22%,transparent)}
.zone span{position:absolute;bottom:100%;left:8px;background:var(--new);color:var(--sheet);font-weight:600;
  font-size:13px;line-height:1;padding:4px 8px;border-radius:4px 4px 0 0;white-space:nowrap}
.row{display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center;margin:6px 0}
.soft{color:var(--soft);font-size:13px}
.files{list-style:none;margin:6px 0;padding:0}
.files li{border-left:4px solid var(--bad);background:var(--card);padding:6px 10px;margin:4px 0}
.files li.coming{border-color:var(--new)}
.photos{min-height:44px}.photos button{display:flex;align-items:center;gap:6px;text-align:left}
.photos button[aria-pressed=true]{border-color:var(--new);box-shadow:inset 0 0 0 1px var(--new)}
.photos img{max-width:34px;max-height:34px}.photos .name{max-width:160px;overflow:hidden;text-overflow:ellipsis;
  white-space:nowrap;}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.time{flex:1 1 220px;min-width:120px;accent-color:var(--new)}
.said{min-height:1.45em;margin:4px 0;font-weight:600}
.results{display:flex;flex-wrap:wrap;gap:10px 24px;align-items:start;margin:8px 0}
.results figure{margin:0;font-size:13px}.results img{display:block;margin-bottom:3px}
figcaption{overflow-wrap:anywhere;max-width:230px}
ol{margin:4px 0;padding-left:2.2em}
.reached{fill:var(--new);fill-opacity:.13;stroke:var(--new);stroke-width:2}
.wrong{fill:var(--bad);fill-opacity:.16;stroke:var(--bad);stroke-width:3}
.pill{fill:var(--new)}.pill.of-bad{fill:var(--bad)}
text.in-pill{fill:var(--sheet);font-weight:600}
.edge{fill:var(--sheet);stroke:var(--new);stroke-width:2}.dot{fill:var(--new)}
.hollow{fill:none;stroke:var(--new);stroke-width:2;stroke-dasharray:5 4}
@media print{.zone,.row,.files{display:none}}
`;

function make(tag, { cls, text, ...attributes } = {}, ...children) {
  const element = document.createElement(tag);
  if (cls) element.className = cls;
  if (text !== undefined) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function draw(parent, tag, attributes, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
}

const ms = (value) => `${Math.round(value).toLocaleString("en")} ms`;
const counted = (count, thing) => `${count.toLocaleString("en")} ${thing}${count === 1 ? "" : "s"}`;
const refusal = ({ name, said }) => (said.includes(name) ? `Not uploaded: ${said}` : `${name} is not uploaded. ${said}`);
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function pageTheme() {
  const said = document.body.dataset.jpThemeLight;
  if (said) return said === "true" ? "light" : "dark";
  if (document.body.classList.contains("vscode-dark")) return "dark";
  if (document.body.classList.contains("vscode-light")) return "light";
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

// ---- files: dropped, chosen or found in a folder, and sent piece by piece, each piece when the last one is taken

function sender(model, say) {
  const queue = [];
  let sending = null;
  let number = 0;

  function next() {
    sending = queue.shift() ?? null;
    if (!sending) return;
    model.send({ kind: "begin", id: sending.id, name: sending.name, size: sending.file.size });
    sending.file.size && sending.file.size <= sending.most ? piece() : next();
  }
  async function piece() {
    const { file, id, offset } = sending;
    let data;
    try {
      data = await file.slice(offset, offset + model.get("piece")).arrayBuffer();
    } catch (error) {
      say(`${sending.name} cannot be read: ${error.message}`);
      return next();
    }
    sending.offset += data.byteLength;
    model.send({ kind: "piece", id }, undefined, [data]);
  }
  model.on("msg:custom", (message) => {
    if (message.kind !== "taken" || message.id !== sending?.id) return;
    sending.offset < sending.file.size ? piece() : next();
  });
  return (files) => {
    for (const { file, name } of files) {
      if (name.split("/").pop().startsWith(".")) continue; // what a system keeps in a folder for itself
      queue.push({ file, name, id: `${Date.now()}-${(number += 1)}`, offset: 0, most: model.get("most") });
    }
    if (!sending) next();
  };
}

async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  async function walk(entry, folder) {
    if (entry.isFile) {
      const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
      found.push({ file, name: folder + file.name });
      return;
    }
    const reader = entry.createReader();
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return;
      for (const one of some) await walk(one, `${folder}${entry.name}/`);
    }
  }
  for (const entry of entries) await walk(entry, "");
  return found;
}

// ---- the view

function render({ model, el }) {
  const root = el.shadowRoot ?? el.attachShadow({ mode: "open" });
  root.replaceChildren();
  const ended = new AbortController();
  const heard = [];
  const on = (name, what) => {
    model.on(name, what);
    heard.push([name, what]);
  };

  const sheet = make("style");
  const map = make("div", { cls: "map" });
  const said = make("p", { cls: "said", "aria-live": "polite" });
  const trouble = make("p", { cls: "bad", role: "alert" });
  const counters = make("span", { cls: "counters" });
  const files = make("ul", { cls: "files", "aria-label": "Files that are on their way, or were refused" });
  const photos = make("div", { cls: "row photos", role: "group", "aria-label": "Photos that went in" });
  const results = make("div", { cls: "results" });
  const hops = make("ol");
  const way = make("details", {}, make("summary", { text: "The photo's way, hop by hop" }), hops);
  const send = sender(model, (words) => (said.textContent = words));
  const chooser = (more) => {
    const input = make("input", { type: "file", multiple: "", hidden: "", ...more });
    input.addEventListener("change", () => {
      send([...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      input.value = "";
    });
    return input;
  };
  const oneOrMore = chooser({ "aria-label": "Photos" });
  const folder = chooser({ webkitdirectory: "", "aria-label": "A folder of photos" });
  const zone = make("button", { cls: "zone", onclick: () => oneOrMore.click() }, make("span", { text: "drop photos here, or press" }));
  zone.setAttribute("aria-label", "Put photos into the bucket: drop them here, or press to choose");

  const time = make("input", { cls: "time", type: "range", min: 0, value: 0, step: 1, "aria-label": "Time since the upload" });
  const clock = make("span", { cls: "soft" });
  const slower = make("select", { "aria-label": "How much slower than it was" }, ...SLOWER.map((n) => make("option", { value: n, text: n === 1 ? "as fast as it was" : `${n} x slower` })));
  slower.value = "10";
  const back = make("button", { text: "◀ backwards", onclick: () => play(-1) });
  const forth = make("button", { text: "forwards ▶", onclick: () => play(1) });
  const before = make("button", { text: "hop before", onclick: () => hop(-1) });
  const after = make("button", { text: "next hop", onclick: () => hop(1) });
  const replay = make("div", { cls: "row replay", role: "group", "aria-label": "Replay of the photo's way" }, back, before, time, after, forth, slower, clock);
  const bar = make("div", { cls: "row" }, make("button", { text: "choose photos …", onclick: () => oneOrMore.click() }), make("button", { text: "choose a folder …", onclick: () => folder.click() }), counters, oneOrMore, folder);
  root.append(sheet, make("section", { "aria-label": "The pipeline, alive" }, bar, trouble, files, photos, replay, said, map, results, way, make("p", { cls: "soft", text: model.get("pace") })));

  let form = null; // the one that is shown
  let overlay = null;
  let chosen = null; // the id of the photo that is shown
  let now = 0; // ms since its upload, as far as is shown
  let following = true; // whether what is shown follows what happens
  let frame = 0;
  let playing = 0;
  let lastFact = null;
  let counts = { photos: 0, results: {} };

  const passages = () => model.get("seen").passages ?? [];
  const passage = () => passages().find((one) => one.id === chosen);
  const facts = () => passage()?.facts ?? [];
  const end = () => facts().reduce((most, fact) => Math.max(most, fact.ms), 0);
  const place = (name) => form?.places[name];

  // -- the map

  function redraw() {
    const theme = pageTheme();
    el.shadowRoot.host.dataset.theme = theme;
    el.style.setProperty("--scheme", theme);
    const { forms, styles, title, alt } = model.get("map");
    sheet.textContent = styles[theme] + STYLE;
    const width = el.clientWidth || 960;
    form = forms.find((one) => width >= one.width * ENOUGH) ?? forms[forms.length - 1];
    map.style.maxWidth = form === forms[forms.length - 1] ? WIDEST_OF_A_TELEPHONE : "";
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", `0 0 ${form.width} ${form.height}`);
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", alt);
    svg.innerHTML = form.shapes; // of the lab's own drawing, which escapes what it writes
    draw(svg, "title", {}, title);
    // What happens lies above the zone, whose outline would cross it. What is measured below has to be in the page.
    const above = document.createElementNS(SVG, "svg");
    for (const [name, value] of [["viewBox", svg.getAttribute("viewBox")], ["class", "above"], ["aria-hidden", "true"]]) above.setAttribute(name, value);
    map.replaceChildren(svg, zone, above);
    const card = svg.querySelector("rect.frame.s3"); // the first one, of the bucket as photos go in
    const [left, top, wide, high] = ["x", "y", "width", "height"].map((name) => Number(card?.getAttribute(name)));
    zone.hidden = !card;
    if (card) draw(svg, "rect", { x: left, y: top, width: wide, height: high, rx: 6, class: "hollow" });
    overlay = draw(above, "g", {});
    const share = (value, whole) => `${(100 * value) / whole}%`;
    Object.assign(zone.style, { left: share(left, form.width), top: share(top, form.height), width: share(wide, form.width), height: share(high, form.height) });
    depths();
    show();
  }

  // Writes what is so now over what stood on the map when it was drawn; null brings that back.
  function write(part, lines, bad) {
    const group = [...map.querySelectorAll("g[data-part]")].find((one) => one.dataset.part === part);
    const texts = [...(group?.querySelectorAll("text.detail,text.bad") ?? [])];
    texts.forEach((text, n) => {
      text.dataset.drawn ??= text.textContent;
      text.textContent = lines === null ? text.dataset.drawn : texts.length === 1 ? lines.join(", ") : (lines[n] ?? "");
      text.removeAttribute("textLength");
      const room = place(part)[2] - 10;
      if (text.getComputedTextLength() > room) text.setAttribute("textLength", room);
      text.setAttribute("lengthAdjust", "spacingAndGlyphs");
      text.classList.toggle("bad", bad);
      text.classList.toggle("detail", !bad);
    });
  }

  function depths() {
    for (const [branch, depth] of Object.entries(model.get("seen").depths ?? {})) {
      write(`queue ${branch}`, [`${depth.waiting} waiting`, `${depth.in_flight} in flight`], false);
      write(`dead-letter queue ${branch}`, [depth.dead ? counted(depth.dead, "dead letter") : "empty"], depth.dead > 0);
    }
  }

  function show() {
    if (!overlay) return;
    overlay.replaceChildren();
    const done = facts().filter((fact) => fact.ms <= now);
    const latest = new Map();
    for (const fact of done) latest.set(fact.part, fact);
    for (const [branch, depth] of Object.entries(model.get("seen").depths ?? {})) {
      if (depth.dead) frameOf(`dead-letter queue ${branch}`, "wrong");
    }
    for (const fact of latest.values()) frameOf(fact.part, fact.bad ? "wrong" : "reached");
    for (const branch of Object.keys(model.get("seen").results ?? {})) {
      const report = latest.get(`logs ${branch}`);
      write(`logs ${branch}`, report ? [report.short] : null, false);
    }
    pictures(done);
    for (const fact of latest.values()) pill(fact);
    time.max = end();
    time.value = now;
    const last = done[done.length - 1];
    clock.textContent = passage() ? `${ms(now)} of ${ms(end())} since the upload` : "";
    time.setAttribute("aria-valuetext", last ? last.told : ms(now));
    if (last !== lastFact && last) said.textContent = last.told;
    lastFact = last;
    for (const control of replay.querySelectorAll("button,input,select")) control.disabled = !end();
    results.hidden = way.hidden = !passage();
    landed(done);
  }

  function frameOf(name, cls) {
    const at = place(name);
    if (at) draw(overlay, "rect", { x: at[0], y: at[1], width: at[2], height: at[3], rx: 4, class: cls });
  }

  function pill(fact) {
    const at = place(fact.part);
    if (!at) return;
    const own = fact.part.startsWith("logs") || fact.short === ms(fact.ms) ? "" : fact.short;
    const words = [own, fact.timed ? ms(fact.ms) : ""].filter(Boolean).join(", ");
    const width = 7.3 * words.length + 10;
    const x = at[0] + at[2] - width;
    draw(overlay, "rect", { x, y: at[1] - 8, width, height: 16, rx: 8, class: fact.bad ? "pill of-bad" : "pill" });
    draw(overlay, "text", { x: x + width / 2, y: at[1] + 4.2, "text-anchor": "middle", class: "in-pill" }, words);
  }

  // Where on its way a photo is: at the last hop by then, or between it and the next one.
  function between(own) {
    const next = own.findIndex((fact) => fact.ms > now);
    const here = own[(next < 0 ? own.length : next) - 1];
    const from = here && place(here.part);
    if (!from) return null;
    const middle = (at) => [at[0] + at[2] - LITTLE / 2 - 4, at[1] + at[3] / 2 + 3];
    const to = next < 0 ? null : place(own[next].part);
    if (!to || still()) return middle(from);
    const share = (now - here.ms) / (own[next].ms - here.ms || 1);
    const [a, b] = [middle(from), middle(to)];
    return [a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share];
  }

  function pictures(done) {
    const one = passage();
    const little = one && model.get("littles")[one.id];
    if (!one) return;
    const shared = facts().filter((fact) => !fact.branch);
    const branches = [...new Set(facts().map((fact) => fact.branch))].filter(Boolean);
    const apart = branches.filter((branch) => done.some((fact) => fact.branch === branch));
    if (!apart.length) token(between([...shared, ...facts().filter((f) => f.branch).slice(0, 1)]), little);
    for (const branch of apart) {
      const own = facts().filter((fact) => fact.branch === branch && !fact.part.startsWith("logs"));
      const there = done.some((fact) => fact.part === `results ${branch}`);
      token(between(own), (there && model.get("littles")[`${one.id} ${branch}`]) || little);
    }
  }

  function token(at, picture) {
    if (!at) return;
    const [x, y] = [at[0] - LITTLE / 2, at[1] - LITTLE / 2];
    if (!picture) return void draw(overlay, "circle", { cx: at[0], cy: at[1], r: 8, class: "dot" });
    draw(overlay, "rect", { x: x - 2, y: y - 2, width: LITTLE + 4, height: LITTLE + 4, rx: 4, class: "edge" });
    draw(overlay, "image", { x, y, width: LITTLE, height: LITTLE, href: picture });
  }

  function landed(done) {
    const one = passage();
    const order = Object.keys(model.get("seen").results ?? {});
    const all = [...(one?.results ?? [])].sort((a, b) => order.indexOf(a.branch) - order.indexOf(b.branch));
    const there = all.filter(({ branch }) => {
      const own = facts().some((fact) => fact.part === `results ${branch}`);
      return own ? done.some((fact) => fact.part === `results ${branch}`) : now >= end();
    });
    const wanted = there.map((result) => `${one.id} ${result.branch} ${`${one.id} ${result.branch}` in model.get("littles")}`).join("\n");
    if (results.dataset.shown === wanted) return;
    results.dataset.shown = wanted;
    results.replaceChildren(
      ...there.map(({ branch, key, size }) => {
        const picture = model.get("littles")[`${one.id} ${branch}`];
        const fact = facts().find((f) => f.part === `results ${branch}`);
        const image = picture ? [make("img", { src: picture, alt: `What ${branch} made of ${one.key}` })] : [];
        const words = [branch, key, `${counted(size, "byte")}${fact ? `, ${ms(fact.ms)} after the upload` : ""}`];
        return make("figure", {}, ...image, make("figcaption", {}, ...words.flatMap((line) => [line, make("br")])));
      }),
    );
  }

  // -- time

  function stop() {
    cancelAnimationFrame(frame);
    clearTimeout(frame);
    playing = 0;
    back.textContent = "◀ backwards";
    forth.textContent = "forwards ▶";
  }

  function run(rate, until) {
    if (still()) {
      const step = () => {
        if (!hopTo(Math.sign(rate), until)) return stop();
        frame = setTimeout(step, STEP_MS);
      };
      return step();
    }
    let last = performance.now();
    const tick = (at) => {
      now += (at - last) * rate;
      last = at;
      const over = rate > 0 ? now >= until : now <= until;
      if (over) now = until;
      show();
      if (over) return stop();
      frame = requestAnimationFrame(tick);
    };
    frame = requestAnimationFrame(tick);
  }

  function play(direction) {
    const was = playing;
    stop();
    following = false;
    if (was === direction) return;
    playing = direction;
    (direction > 0 ? forth : back).textContent = "pause";
    if (direction > 0 && now >= end()) now = 0;
    run(direction / Number(slower.value), direction > 0 ? end() : 0);
  }

  function hopTo(direction, until) {
    const others = facts().filter((fact) => (direction > 0 ? fact.ms > now && fact.ms <= until : fact.ms < now));
    if (!others.length) return false;
    now = direction > 0 ? others[0].ms : others[others.length - 1].ms;
    show();
    return true;
  }

  function hop(direction) {
    stop();
    following = false;
    hopTo(direction, Infinity);
  }

  function follow() {
    if (!following) return;
    const behind = end() - now;
    if (behind <= 0) return show();
    stop();
    run(behind / CATCH_UP_MS, end());
  }

  time.addEventListener("input", () => {
    stop();
    following = false;
    now = Number(time.value);
    show();
  });
  slower.addEventListener("change", () => {
    const direction = playing;
    if (direction) play(direction), play(direction);
  });

  // -- what was seen

  function choose(id) {
    stop();
    chosen = id;
    now = 0;
    lastFact = null;
    following = true;
    list();
    show();
    follow();
  }

  function list() {
    const wanted = JSON.stringify([chosen, passages().map((one) => [one.id, one.state, one.id in model.get("littles")])]);
    if (photos.dataset.shown === wanted) return;
    photos.dataset.shown = wanted;
    const focused = [...photos.children].indexOf(root.activeElement);
    photos.replaceChildren(
      ...passages().map((one) => {
        const picture = model.get("littles")[one.id];
        const image = picture ? [make("img", { src: picture, alt: "" })] : [];
        const state = make("span", { text: one.state, cls: one.state === "stopped" ? "bad" : one.state === "through" ? "good" : "soft" });
        return make("button", { "aria-pressed": one.id === chosen, onclick: () => choose(one.id) }, ...image, make("span", { cls: "name", title: one.key, text: one.key.replace(/^ingest\//, "") }), state);
      }),
    );
    photos.children[focused]?.focus();
  }

  function seen() {
    const { photos: count = 0, results: made = {} } = model.get("seen");
    const each = Object.entries(made).map(([branch, n]) => `${branch} ${n.toLocaleString("en")}`);
    counters.textContent = count ? `${counted(count, "photo")} in; results: ${each.join(", ")}` : "Nothing has gone in yet.";
    flow(count, made);
    depths();
    const ids = passages().map((one) => one.id);
    const newest = ids[ids.length - 1];
    const busyWith = passage()?.state === "under way" && following;
    if (newest && (!ids.includes(chosen) || (newest !== known && !busyWith && following))) {
      known = newest;
      choose(newest);
    }
    list();
    told();
    follow();
    if (!following) show();
  }
  let known = null;

  function told() {
    const wanted = facts().map((fact) => fact.told);
    if (hops.dataset.shown === wanted.join("\n")) return;
    hops.dataset.shown = wanted.join("\n");
    hops.replaceChildren(...wanted.map((words, n) => make("li", { text: words, ...(facts()[n].bad ? { cls: "bad" } : {}) })));
  }

  // Of many photos only a few are followed; the others flow as dots, as many as were counted.
  function flow(count, made) {
    const centre = (name) => {
      const at = place(name);
      return at && [at[0] + at[2] / 2, at[1] + at[3] / 2];
    };
    const dots = (many, ways) => {
      for (let n = 0; n < Math.min(many, MOST_DOTS); n += 1) for (const stops of ways) dot(stops.map(centre).filter(Boolean), n * 90);
    };
    if (count - counts.photos > 1 && !still()) dots(count - counts.photos, Object.keys(made).map((branch) => ["ingest folder", "event notification", "topic", `queue ${branch}`]));
    for (const [branch, n] of Object.entries(made)) {
      const more = n - (counts.results[branch] ?? 0);
      if (more > 1 && !still()) dots(more, [[`queue ${branch}`, `function ${branch}`, `results ${branch}`]]);
    }
    counts = { photos: count, results: { ...made } };
  }

  function dot(stops, delay) {
    if (stops.length < 2 || !map.firstChild) return;
    const circle = draw(map.firstChild, "circle", { cx: 0, cy: 0, r: 4, class: "dot" });
    const frames = stops.map(([x, y]) => ({ transform: `translate(${x}px,${y}px)` }));
    circle.animate(frames, { duration: 900, delay, fill: "backwards" }).finished.then(() => circle.remove(), () => circle.remove());
  }

  function answers() {
    const focused = root.activeElement?.dataset.of;
    files.replaceChildren(
      ...model.get("files").slice(-12).map((file) => {
        if (file.state !== "refused") {
          const part = file.size ? ` ${Math.round((100 * file.here) / file.size)} %` : "";
          return make("li", { cls: "coming", text: `${file.name}: ${file.state}${file.state === "coming" ? part : ""}` });
        }
        const pressed = (kind) => model.send({ kind, id: file.id });
        const another = () => (pressed("read"), oneOrMore.click());
        const { advice } = file;
        const buttons = advice ? [make("button", { text: advice.label, "data-of": file.id, onclick: advice.name ? () => pressed("advice") : another })] : [];
        const away = make("button", { text: "leave it", "aria-label": `Leave ${file.name}`, onclick: () => pressed("read") });
        return make("li", {}, make("div", { cls: "bad", text: refusal(file) }), make("div", { text: file.hint }), make("div", { cls: "row" }, ...buttons, away));
      }),
    );
    [...files.querySelectorAll("button")].find((button) => button.dataset.of && button.dataset.of === focused)?.focus();
    const refused = model.get("files").filter((file) => file.state === "refused").pop();
    if (refused && refused.id !== lastRefused) said.textContent = refusal(refused);
    lastRefused = refused?.id;
  }
  let lastRefused;

  // -- what is dropped, anywhere on the map

  for (const kind of ["dragenter", "dragover"]) {
    map.addEventListener(kind, (event) => {
      event.preventDefault();
      event.stopPropagation();
      map.classList.add("over");
    });
  }
  map.addEventListener("dragleave", (event) => {
    if (!map.contains(event.relatedTarget)) map.classList.remove("over");
  });
  map.addEventListener("drop", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    map.classList.remove("over");
    send(await dropped(event.dataTransfer));
  });
  el.dataset.lmSuppressShortcuts = "true"; // JupyterLab would take keys that are pressed in here for its own commands

  const tell = () => {
    trouble.textContent = model.get("trouble");
    trouble.hidden = !model.get("trouble");
  };
  on("change:map", redraw);
  on("change:seen", seen);
  on("change:littles", () => (list(), show()));
  on("change:files", answers);
  on("change:trouble", tell);
  const watched = new MutationObserver(redraw);
  watched.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal: ended.signal });
  const fold = () => {
    // Notebook 7 has seen how high the output was with all of that open, and has put it into a little box that scrolls.
    el.closest(".jp-CodeCell")?.classList.remove("jp-mod-outputsScrolled");
    for (const one of el.closest(".jp-OutputArea")?.querySelectorAll("details.labkit-still") ?? []) one.open = false;
  };
  let width = 0;
  const sized = new ResizeObserver(() => {
    if (el.clientWidth === width) return;
    if (!width) fold(); // only now the view is in the page
    width = el.clientWidth;
    redraw();
  });
  sized.observe(el);
  const beat = () => {
    if (!el.isConnected || document.hidden) return;
    model.set("beat", model.get("beat") + 1);
    model.save_changes();
  };
  const beating = setInterval(beat, 1000 * model.get("beat_s"));
  document.addEventListener("visibilitychange", beat, { signal: ended.signal });
  redraw();
  tell();
  answers();
  seen();
  beat();

  return () => {
    stop();
    clearInterval(beating);
    watched.disconnect();
    sized.disconnect();
    ended.abort();
    for (const [name, what] of heard) model.off(name, what);
  };
}

export default { render };
