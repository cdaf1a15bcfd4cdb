"use strict";
// The charts of the page. Data: vdcast/report/page_data.py, unpacked from the element #packed.

const DASH = {persistence: [6, 3], yesterday: [2, 2], last_week: [8, 3, 2, 3], hour_of_week: [12, 4], damped: [1, 3], linear: [16, 3], trees: [16, 3, 3, 3]};
const LISTED = 50; // VDs in the list before "Show all"
const DAY = 1440; // minutes
/** The sentence, with its figures in their places. */
const said = (key, figures = {}) => page.words[`script.${key}`].replace(/{(\w+)}/g, (_, name) => figures[name]);
const element = (id) => document.getElementById(id);
const colour = (who) => ({lstm: "var(--lstm)", xlstm: "var(--xlstm)", observed: "var(--ink)"})[who] ?? "var(--naive)";

async function unpacked() {
  const bytes = Uint8Array.from(atob(element("packed").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).json();
}

// ---- drawing ----------------------------------------------------------------------------------

const CONFIG = {
  background: null,
  font: "system-ui, sans-serif",
  view: {stroke: null},
  axis: {
    labelColor: "var(--soft)", titleColor: "var(--soft)", gridColor: "var(--line)", domainColor: "var(--line)",
    tickColor: "var(--line)", labelFontSize: 12, titleFontSize: 12, titleFontWeight: "normal",
  },
  axisX: {grid: false, labelAngle: 0, labelOverlap: true},
  axisY: {domain: false, ticks: false, tickCount: 5},
};

const views = {};

/** Draw `spec` into the element `id`, in the place of what was there. */
async function draw(id, spec) {
  const place = element(id);
  const turn = (place.dataset.turn = String(Number(place.dataset.turn ?? 0) + 1));
  try {
    const drawn = await vegaEmbed(document.createElement("div"), {
      width: Math.max(200, place.clientWidth - 1), height: 220, config: CONFIG,
      autosize: {type: "fit", contains: "padding"}, ...spec,
    }, {renderer: "svg", actions: false, tooltip: {theme: "vdcast"}});
    if (place.dataset.turn !== turn) return drawn.finalize(); // a later drawing was asked for meanwhile
    views[id]?.finalize();
    views[id] = drawn;
    place.replaceChildren(drawn.view.container());
  } catch (error) {
    place.textContent = said("not_drawn", {error: error.message});
    console.error(error);
  }
}

/** Words in the element `id`, in the place of a chart. */
function say(id, words) {
  const place = element(id);
  place.dataset.turn = String(Number(place.dataset.turn ?? 0) + 1);
  views[id]?.finalize();
  delete views[id];
  place.textContent = words;
}

/** Colour and dash of `names` as a scale; lines say by themselves what they are in the tooltip. */
function looks(names) {
  return {
    color: {field: "who", type: "nominal", legend: null, scale: {domain: names, range: names.map(colour)}},
    strokeDash: {field: "who", type: "nominal", legend: null, scale: {domain: names, range: names.map((who) => DASH[who] ?? [1, 0])}},
  };
}

/** Lines over a shared x, with a rule that names every value where the pointer is; shaded, the interval of `bands`. */
function lines({rows, names, x, y, height = 220, params = [], bands = []}) {
  const labels = names.map((who) => ({field: who, type: "quantitative", title: page.labels[who] ?? who, format: ".4~r"}));
  labels.push(...bands.flatMap((who) => ["low", "high"].map((end) =>
    ({field: `${who}_${end}`, type: "quantitative", title: said(`band_${end}`, {model: page.labels[who]}), format: ".4~r"}))));
  return {
    data: {values: rows},
    height,
    encoding: {x},
    layer: [
      ...bands.map((who) => ({
        mark: {type: "area", clip: true, color: colour(who), opacity: 0.18},
        encoding: {y: {field: `${who}_low`, type: "quantitative", title: y}, y2: {field: `${who}_high`}},
      })),
      {
        transform: [{fold: names, as: ["who", "value"]}],
        mark: {type: "line", clip: params.length > 0, strokeWidth: rows.length < 400 ? 2 : 1.2, point: rows.length < 30 ? {size: 25, filled: true} : false},
        encoding: {y: {field: "value", type: "quantitative", title: y, ...(names.includes("observed") ? {} : {scale: {zero: true}})}, ...looks(names)},
        params,
      },
      {
        mark: {type: "rule", color: "var(--soft)", clip: true},
        params: [{name: "near", select: {type: "point", nearest: true, encodings: ["x"], on: "pointermove", clear: "pointerout"}}],
        encoding: {
          opacity: {condition: {param: "near", empty: false, value: 0.6}, value: 0},
          tooltip: [{...x, title: x.title, ...(x.type === "temporal" ? {format: said("time")} : {})}, ...labels],
        },
      },
    ],
  };
}

/** One array per name, `columns`, as rows with the shared `x` of each place. */
function asRows(xs, columns) {
  return xs.map((x, i) => Object.fromEntries([["x", x], ...Object.entries(columns).map(([who, column]) => [who, column[i]])]));
}

// ---- what is shown ----------------------------------------------------------------------------

let page; // the data
const shown = new Set(); // models and baselines with a tick
const state = {mode: "", vd: 0, horizon: 0, day: null, sort: "name", down: false, all: false};

const picked = () => page.everyone.filter((who) => shown.has(who));

/** MAE columns of the picked forecasts: of a mode's VD number `v`, or of all of its VDs where v is null. */
function errorColumns(mode, cut, v) {
  const {vds, errors} = page.modes[mode];
  return Object.fromEntries(picked().map((who) => [who, v === null ? errors[who][cut].all : errors[who][cut].each[vds.indexOf(v)]]));
}

function drawErrors(prefix, suffix, mode, v) {
  const y = said("mae", {unit: page.unit});
  const names = picked();
  draw(`${prefix}by_horizon${suffix}`, lines({
    rows: asRows(page.minutes, errorColumns(mode, "by_horizon", v)), names, y,
    x: {field: "x", type: "quantitative", title: said("minutes_ahead"), axis: {values: page.minutes}, scale: {zero: false, nice: false, padding: 10}},
  }));
  draw(`${prefix}by_hour${suffix}`, lines({
    rows: asRows([...Array(24).keys()], errorColumns(mode, "by_hour", v)), names, y,
    x: {field: "x", type: "quantitative", title: said("hour"), axis: {values: [0, 3, 6, 9, 12, 15, 18, 21]}, scale: {domain: [-0.7, 23.5], nice: false}},
  }));
}

function drawDifference() {
  const rows = Object.entries(page.differences).map(([mode, it]) => ({mode, ...it}));
  const y = {field: "mode", type: "nominal", title: null, sort: null, axis: {labelFontSize: 13, labelColor: "var(--ink)", domain: false, ticks: false, labelPadding: 8}};
  const x = (field) => ({field, type: "quantitative", title: null, axis: {format: "+%"}});
  const color = {condition: page.models.map((model) => ({test: `datum.better === "${model}"`, value: colour(model)})), value: "var(--naive)"};
  const tooltip = [{field: "mode", title: said("mode")}, {field: "relative", title: said("difference"), format: "+.2%"}, {field: "low", title: said("from"), format: "+.2%"}, {field: "high", title: said("to"), format: "+.2%"}];
  draw("difference", {
    height: 40 + 34 * rows.length,
    data: {values: rows},
    layer: [
      {mark: {type: "rect", color: "var(--tint)"}, encoding: {x: {datum: -page.margin, type: "quantitative"}, x2: {datum: page.margin}}},
      {mark: {type: "rule", color: "var(--ink)", strokeWidth: 1}, encoding: {x: {datum: 0, type: "quantitative"}}},
      {mark: {type: "rule", strokeWidth: 3}, encoding: {y, x: x("low"), x2: {field: "high"}, color, tooltip}},
      {mark: {type: "point", filled: true, size: 110, opacity: 1}, encoding: {y, x: x("relative"), color, tooltip}},
    ],
  });
}

function drawCost() {
  const axis = element("cost-axis");
  const rows = page.costs.map((it) => ({...it, spent: significant(it[axis.value])}));
  draw("cost", {
    data: {values: rows},
    height: 250,
    encoding: {
      x: {field: axis.value, type: "quantitative", title: said("logarithmic", {cost: axis.selectedOptions[0].text}), scale: {type: "log", nice: false, padding: 25}, axis: {tickCount: 5, format: "~s"}},
      y: {field: "mae", type: "quantitative", title: said("mae", {unit: page.unit}), scale: {zero: false, padding: 15}},
      color: {field: "model", type: "nominal", legend: null, scale: {domain: page.models, range: page.models.map(colour)}},
    },
    layer: [
      {mark: {type: "point", filled: true, size: 110, opacity: 1}, encoding: {
        tooltip: [{field: "label", title: said("model")}, {field: "mode", title: said("mode")}, {field: "mae", title: "MAE", format: ".3f"}, {field: "spent", type: "nominal", title: axis.selectedOptions[0].text}],
      }},
      {mark: {type: "text", dy: -11, fontSize: 11}, encoding: {text: {field: "mode"}}},
    ],
  });
}

/** Of VDs with so many neighbours: the mean of their differences, and between which quartiles they lie. */
function drawGains() {
  if (!Object.keys(page.gains).length) return;
  const rows = Object.entries(page.gains).flatMap(([model, each], i, {length}) =>
    each.map((row) => ({...row, who: model, label: page.labels[model], x: row.near + 0.16 * (2 * i - length + 1)}))); // beside each other
  const last = Math.max(...rows.map((row) => row.near));
  const x = {field: "x", type: "quantitative", title: said("near"), axis: {values: [...Array(last + 1).keys()], format: "d"}, scale: {domain: [-0.5, last + 0.5], nice: false}};
  const y = (field) => ({field, type: "quantitative", title: said("gain"), axis: {format: "+%"}});
  const {color} = looks(page.models);
  const tooltip = [{field: "label", title: said("model")}, {field: "near", title: said("near")}, {field: "vds", title: "VD"}, {field: "mean", title: said("gain"), format: "+.2%"}, {field: "low", title: said("from"), format: "+.2%"}, {field: "high", title: said("to"), format: "+.2%"}];
  draw("gains", {
    data: {values: rows},
    height: 280,
    layer: [
      {mark: {type: "rule", color: "var(--ink)", strokeWidth: 1}, encoding: {y: {datum: 0, type: "quantitative"}}},
      {mark: {type: "rule", strokeWidth: 2, opacity: 0.5}, encoding: {x, y: y("low"), y2: {field: "high"}, color, tooltip}},
      {mark: {type: "point", filled: true, opacity: 1}, encoding: {x, y: y("mean"), color, tooltip, size: {field: "vds", type: "quantitative", legend: null, scale: {range: [40, 220], zero: true}}}},
    ],
  });
}

/** Buttons, clicks and a mouse that drags show less of the map, or another part of it. */
function connectMap() {
  const map = element("map");
  if (!map) return;
  const whole = map.viewBox.baseVal, [width, height] = [whole.width, whole.height];
  const scale = map.parentElement.querySelector(".scale");
  const dot = parseFloat(map.style.getPropertyValue("--dot")), largest = Math.max(dot, 7);
  let [x, y, closer] = [width / 2, height / 2, 1]; // the middle of what is shown, and how close
  const look = () => {
    [x, y] = [[x, width], [y, height]].map(([at, side]) => Math.min(Math.max(at, side / closer / 2), side - side / closer / 2));
    map.setAttribute("viewBox", [x - width / closer / 2, y - height / closer / 2, width / closer, height / closer].join(" "));
    const longest = 0.3 * width / closer * map.dataset.unit, power = 10 ** Math.floor(Math.log10(longest));
    const bar = power * [5, 2, 1].find((step) => step * power <= longest);
    scale.style.width = `${100 * bar / map.dataset.unit / (width / closer)}%`;
    scale.textContent = bar >= 1000 ? `${bar / 1000} km` : `${bar} m`;
    map.style.setProperty("--dot", `${Math.min(largest, dot * closer)}px`);
    map.parentElement.classList.toggle("near", closer > 1);
  };
  const zoom = (by, at = [x, y]) => { // what lies at that place stays where it is
    const before = closer;
    closer = by ? Math.min(Math.max(closer * by, 1), 64) : 1;
    [x, y] = [x, y].map((middle, i) => at[i] + (middle - at[i]) * before / closer);
    look();
  };
  for (const each of document.querySelectorAll(".closer")) each.hidden = false;
  for (const button of document.querySelectorAll("button[data-closer]")) button.onclick = () => zoom(Number(button.dataset.closer));
  const units = (pixels) => pixels * width / closer / map.clientWidth;
  let from = null;
  map.onpointerdown = (event) => { from = {x: event.clientX, y: event.clientY, moved: false}; map.setPointerCapture(event.pointerId); };
  map.onpointermove = (event) => {
    if (!from || closer === 1) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (!from.moved && Math.hypot(dx, dy) < 4) return; // a click
    [x, y] = [x - units(dx), y - units(dy)];
    from = {x: event.clientX, y: event.clientY, moved: true};
    look();
  };
  map.onpointerup = (event) => {
    if (from && !from.moved) {
      const box = map.getBoundingClientRect();
      zoom(2, [x + units(event.clientX - box.left - box.width / 2), y + units(event.clientY - box.top - box.height / 2)]);
    }
    from = null;
  };
}

/** 1 to `last`, at most so many of them. */
function wholeNumbers(last, most) {
  const step = Math.ceil(last / most);
  return Array.from({length: Math.floor((last - 1) / step) + 1}, (_, i) => 1 + i * step);
}

function drawHistory(mode) {
  const rows = Object.entries(page.modes[mode].history).filter(([model]) => shown.has(model)).flatMap(([model, table]) =>
    table.epoch.flatMap((epoch, i) => [[said("validation"), table.validation_loss[i]], [said("training"), table.train_loss[i]]]
      .filter(([, loss]) => loss !== null).map(([part, loss]) => ({who: model, model: page.labels[model], part, epoch, loss}))));
  if (!rows.length) return say(`history-${mode}`, said("no_loss"));
  draw(`history-${mode}`, {
    data: {values: rows},
    mark: {type: "line", strokeWidth: 2, point: {size: 45, opacity: 0, filled: true}},
    encoding: {
      x: {field: "epoch", type: "quantitative", title: said("epoch"), axis: {values: wholeNumbers(Math.max(...rows.map((row) => row.epoch)), 6), format: "d"}, scale: {nice: false, zero: false}},
      y: {field: "loss", type: "quantitative", title: said("loss_axis"), scale: {zero: false}},
      color: looks(page.models).color,
      strokeDash: {field: "part", type: "nominal", legend: null, scale: {domain: [said("validation"), said("training")], range: [[1, 0], [2, 3]]}},
      tooltip: [{field: "model", title: said("model")}, {field: "part", title: said("part")}, {field: "epoch", title: said("epoch")}, {field: "loss", title: said("loss"), format: ".4f"}],
    },
  });
}

function drawMode(mode) {
  const scope = document.querySelector(`select[data-scope="${mode}"]`);
  drawErrors("", `-${mode}`, mode, scope?.value === "all" ? null : page.vds.indexOf(page.target_vd));
  drawHistory(mode);
}

// ---- one VD -----------------------------------------------------------------------------------

/** The models whose interval is drawn. */
const banded = () => page.models.filter((who) => shown.has(who) && `${who}_low` in page.series.forecasts[state.mode]);

/** Series of the VD over time, by name, in original units; null where the page carries none of it. */
function seriesOf(v) {
  const {series} = page;
  const place = series.vds.indexOf(v);
  if (place < 0) return null;
  const units = (line) => line.map((value) => (value === null ? null : value * series.step));
  const found = {observed: units(series.observed[place])};
  for (const mode of [state.mode, "naive"])
    for (const [who, forecasts] of Object.entries(series.forecasts[mode]))
      if (shown.has(who.replace(/_(low|high)$/, ""))) found[who] = units(forecasts[state.horizon][place]);
  return found;
}

function drawDays() {
  const series = seriesOf(state.vd);
  if (!series) {
    say("days", said("no_series"));
    return;
  }
  const {times} = page.series;
  const rows = asRows(times, series).map((row) => ({...row, x: row.x * 60000}))
    .filter((row) => state.day === null || Math.floor(row.x / 60000 / DAY) === state.day);
  const zoom = {name: "zoom", select: {type: "interval", encodings: ["x"], zoom: "wheel![event.shiftKey]"}, bind: "scales"};
  const bands = banded();
  const {interval} = page.modes[state.mode];
  element("interval").hidden = bands.length === 0;
  element("interval").textContent =
    said("shaded", {share: number(100 * interval, 0)});
  draw("days", lines({
    rows, bands, names: Object.keys(series).filter((who) => !/_(low|high)$/.test(who)), y: said("target", {target: page.target, unit: page.unit}), height: 300,
    x: {field: "x", type: "temporal", title: said("local_time"), scale: {type: "utc"}, axis: {format: state.day === null ? said("day") : "%H:%M", tickCount: 7}},
    params: matchMedia("(pointer: fine)").matches ? [zoom] : [], // a finger that drags means to scroll the page
  }));
}

function drawVd() {
  const {vds, errors} = page.modes[state.mode];
  const at = vds.indexOf(state.vd);
  const mae = (who) => errors[who].overall.each[at][0];
  const simpler = bestSimpler(state.mode, at);
  element("vd-name").textContent = said("vd", {vd: page.vds[state.vd]});
  const words = page.models.map((model) => said("of_model", {model: page.labels[model], mae: number(mae(model))}));
  words.push(said("best_simpler", {label: page.labels[simpler], mae: number(mae(simpler))}));
  element("vd-words").textContent = said("mae_over_all", {unit: page.unit, errors: words.join(said("comma"))});
  drawDays();
  drawErrors("vd-", "", state.mode, state.vd);
}

const number = (value, digits = 2) => (value === null ? said("undefined") : value.toFixed(digits));

/** As `words.significant`: whole numbers in full, others with three significant digits or all before the point. */
const significant = (value) => {
  if (value === null || Number.isInteger(value)) return value?.toLocaleString("en") ?? said("undefined");
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", {minimumFractionDigits: digits, maximumFractionDigits: digits});
};

function bestSimpler(mode, at) {
  const {errors} = page.modes[mode];
  const value = (who) => errors[who].overall.each[at][0] ?? Infinity;
  return page.everyone.filter((who) => !page.models.includes(who)).reduce((a, b) => (value(b) < value(a) ? b : a));
}

/** The rows of the list: VDs of the mode whose name holds what was typed, sorted. */
function listed() {
  const {vds, errors} = page.modes[state.mode];
  const wanted = element("find").value.trim().toLowerCase();
  const rows = vds.map((v, at) => ({
    v, name: page.vds[v],
    ...Object.fromEntries(page.models.map((model) => [model, errors[model].overall.each[at][0]])),
    simpler: errors[bestSimpler(state.mode, at)].overall.each[at][0],
  })).filter((row) => row.name.toLowerCase().includes(wanted));
  const order = state.sort === "name"
    ? (a, b) => a.name.localeCompare(b.name, undefined, {numeric: true})
    : (a, b) => (a[state.sort] ?? Infinity) - (b[state.sort] ?? Infinity);
  return rows.sort((a, b) => (state.down ? order(b, a) : order(a, b)));
}

function list() {
  const rows = listed();
  const some = state.all ? rows : rows.slice(0, LISTED);
  element("vds").replaceChildren(...some.map((row) => {
    const line = document.createElement("tr");
    line.setAttribute("aria-selected", row.v === state.vd);
    line.tabIndex = 0;
    const head = document.createElement("th");
    head.textContent = head.title = row.name;
    const lowest = Math.min(...[...page.models.map((model) => row[model]), row.simpler].filter((value) => value !== null));
    line.append(head, ...[...page.models, "simpler"].map((who) => {
      const cell = document.createElement("td");
      cell.textContent = number(row[who]);
      if (row[who] === lowest) cell.className = "best";
      return cell;
    }));
    line.onclick = () => choose(row.v);
    line.onkeydown = (event) => event.key === "Enter" && choose(row.v);
    return line;
  }));
  const total = page.modes[state.mode].vds.length;
  const key = some.length < rows.length ? "found_and_listed" : "found";
  element("found").textContent = said(key, {found: rows.length, all: total, listed: some.length});
  element("more").hidden = some.length === rows.length;
}

function choose(v) {
  state.vd = v;
  list();
  drawVd();
}

// ---- controls ---------------------------------------------------------------------------------

function option(value, text) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  return made;
}

function chooseDay(day) {
  state.day = day;
  element("day").value = day ?? "";
  const days = [...element("day").options].map((each) => each.value);
  element("earlier").disabled = element("day").selectedIndex <= 1;
  element("later").disabled = element("day").selectedIndex === days.length - 1;
  drawDays();
}

function connect() {
  for (const box of document.querySelectorAll("input[data-who]")) {
    const {who} = box.dataset;
    const stroke = box.parentElement.querySelector("line");
    stroke.style.stroke = colour(who);
    stroke.style.strokeDasharray = (DASH[who] ?? []).join(" ");
    if (box.checked) shown.add(who);
    box.onchange = () => {
      shown[box.checked ? "add" : "delete"](who);
      for (const twin of document.querySelectorAll(`input[data-who="${who}"]`)) twin.checked = box.checked;
      drawAll();
    };
  }
  for (const scope of document.querySelectorAll("select[data-scope]")) scope.onchange = () => drawMode(scope.dataset.scope);
  element("cost-axis").onchange = drawCost;

  page.series.horizons.forEach((step, i) => element("vd-horizon").append(option(i, said("min_ahead", {minutes: page.minutes[step]}))));
  state.horizon = page.series.horizons.length - 1;
  element("vd-horizon").value = state.horizon;
  element("vd-horizon").onchange = (event) => { state.horizon = Number(event.target.value); drawDays(); };

  element("vd-mode").onchange = (event) => {
    state.mode = event.target.value;
    if (!page.modes[state.mode].vds.includes(state.vd)) state.vd = page.modes[state.mode].vds[0];
    choose(state.vd);
  };
  element("find").oninput = list;
  element("find").onkeydown = (event) => {
    const [first] = event.key === "Enter" ? listed() : [];
    if (first) choose(first.v);
  };
  for (const button of document.querySelectorAll("button[data-sort]"))
    button.onclick = () => {
      state.down = state.sort === button.dataset.sort && !state.down;
      state.sort = button.dataset.sort;
      list();
    };
  element("more").onclick = () => { state.all = true; list(); };

  const days = [...new Set(page.series.times.map((minutes) => Math.floor(minutes / DAY)))];
  const named = (day) => new Date(day * DAY * 60000).toLocaleDateString(said("locale"), {weekday: "short", day: "numeric", month: "short", year: "numeric", timeZone: "UTC"});
  element("day").append(option("", said("all_days", {days: days.length})), ...days.map((day) => option(day, named(day))));
  element("day").onchange = (event) => chooseDay(event.target.value === "" ? null : Number(event.target.value));
  element("earlier").onclick = () => chooseDay(days[days.indexOf(state.day) - 1]);
  element("later").onclick = () => chooseDay(days[days.indexOf(state.day) + 1]);
}

function drawAll() {
  drawDifference();
  drawCost();
  drawGains();
  for (const mode of Object.keys(page.modes)) drawMode(mode);
  drawVd();
}

async function start() {
  page = await unpacked();
  state.mode = element("vd-mode").value;
  state.vd = page.vds.indexOf(page.target_vd);
  connect();
  connectMap();
  list();
  drawAll();
  const [first, whole] = [...element("day").options].slice(1); // the first day of the test part is seldom whole
  chooseDay(Number((whole ?? first).value));
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) drawAll(); // a phone also resizes when its address bar goes
    width = innerWidth;
  });
}

start().catch((error) => {
  console.error(error);
  for (const place of document.querySelectorAll(".chart")) place.textContent = page ? said("none_drawn", {error: error.message}) : error.message;
});
