// Strokes on a canvas, and the server's answers while they are drawn.
"use strict";

const $ = (id) => document.getElementById(id);
const sheet = $("sheet"), pen = sheet.getContext("2d");
const WIDTH = 0.075;   // width of a stroke, as a share of the sheet: about that in MNIST
const PAUSE = 120;     // ms between two requests while a stroke is drawn
const RETRY = 1500;    // ms until a server that was busy or not ready is asked again
const MOST = 10;       // most bars
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

let strokes = [];      // each is a list of [x, y], from 0 to 1
let drawing = null;    // pointerId of the present stroke
let picture = null;    // a file that was opened instead
let classes = [];
let asked = 0, busy = false, again = false, last = 0, timer = 0;

function paint() {
  const side = sheet.width;
  pen.fillStyle = style("--paper");
  pen.fillRect(0, 0, side, side);
  pen.strokeStyle = pen.fillStyle = style("--ink");
  pen.lineWidth = WIDTH * side;
  pen.lineCap = pen.lineJoin = "round";
  if (picture) {
    const scale = Math.min(side / picture.width, side / picture.height);
    const [w, h] = [picture.width * scale, picture.height * scale];
    pen.drawImage(picture, (side - w) / 2, (side - h) / 2, w, h);
  }
  for (const stroke of strokes) {
    const at = stroke.map(([x, y]) => [x * side, y * side]);
    pen.beginPath();
    if (at.length < 3) {
      pen.arc(...at[0], pen.lineWidth / 2, 0, 7);
      pen.fill();
      pen.beginPath();
    }
    pen.moveTo(...at[0]);
    for (let i = 1; i < at.length - 1; i++) {
      const [a, b] = [at[i], at[i + 1]];
      pen.quadraticCurveTo(...a, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    }
    pen.lineTo(...at[at.length - 1]);
    pen.stroke();
  }
  $("hint").hidden = strokes.length > 0 || picture !== null;
}

function point(event) {
  const box = sheet.getBoundingClientRect();
  return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
}

sheet.addEventListener("pointerdown", (event) => {
  if (drawing !== null || event.button !== 0) return;
  event.preventDefault();
  if (picture) clear();
  drawing = event.pointerId;
  sheet.setPointerCapture(drawing);
  strokes.push([point(event)]);
  paint();
  soon();
});
sheet.addEventListener("pointermove", (event) => {
  if (event.pointerId !== drawing) return;
  const all = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
  for (const each of all.length ? all : [event]) strokes[strokes.length - 1].push(point(each));
  paint();
  soon();
});
for (const end of ["pointerup", "pointercancel"]) {
  sheet.addEventListener(end, (event) => {
    if (event.pointerId !== drawing) return;
    drawing = null;
    soon();
  });
}

function clear() {
  strokes = [];
  picture = null;
  $("file").value = "";
  paint();
  blank();
}
function undo() {
  strokes.pop();
  paint();
  if (strokes.length || picture) soon(); else blank();
}
$("clear").addEventListener("click", clear);
$("undo").addEventListener("click", undo);
addEventListener("keydown", (event) => {
  if (event.key === "Escape") clear();
  if (event.key === "z" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); undo(); }
});

async function open(file) {
  if (!file) return;
  clear();
  try {
    picture = await createImageBitmap(file);
  } catch {
    picture = null;  // the server may know more kinds, and otherwise says why not
  }
  paint();
  ask(file);
}
$("file").addEventListener("change", () => open($("file").files[0]));
addEventListener("paste", (event) => open(event.clipboardData.files[0]));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => { event.preventDefault(); open(event.dataTransfer.files[0]); });

function soon() {  // at most one request at a time, and always one for the last state of the sheet
  $("answer").ariaBusy = "true";
  if (busy) { again = true; return; }
  clearTimeout(timer);
  timer = setTimeout(() => sheet.toBlob(ask, "image/png"), Math.max(0, last + PAUSE - performance.now()));
}

async function ask(file) {
  if (!strokes.length && !picture && !(file instanceof File)) return;
  const mine = ++asked;
  $("answer").ariaBusy = "true";
  busy = true;
  last = performance.now();
  const form = new FormData();
  form.append("image", file, file.name || "drawn.png");
  let answer, retry = false;
  try {
    const response = await fetch("recognize.json?seen=1", { method: "POST", body: form });
    answer = await response.json();
    retry = response.status === 503;
  } catch {
    answer = { error: "The server cannot be reached." };
    retry = true;
  }
  busy = false;
  if (mine === asked) show(answer);
  if (again) { again = false; soon(); }
  else if (retry && mine === asked) setTimeout(() => mine === asked && ask(file), RETRY);
  else if (drawing === null) $("answer").ariaBusy = "false";
}

function bars(names) {
  $("bars").replaceChildren(...names.map((name) => {
    const row = document.createElement("li");
    row.dataset.name = name;
    row.classList.toggle("wide", names.some((each) => each.length > 3));
    row.innerHTML = '<span></span><div class="track"><div class="bar"></div></div><span></span>';
    row.firstChild.textContent = row.firstChild.title = name;
    return row;
  }));
}

function fill(probabilities, best) {
  if (classes.length > MOST) {
    const order = [...classes].sort((a, b) => (probabilities[b] || 0) - (probabilities[a] || 0));
    bars(order.slice(0, MOST));
  }
  for (const row of $("bars").children) {
    const value = probabilities[row.dataset.name] || 0;
    row.querySelector(".bar").style.transform = `scaleX(${value})`;
    row.lastChild.textContent = best === null ? "" : `${(100 * value).toFixed(value > 0.0995 ? 0 : 1)} %`;
    row.classList.toggle("best", row.dataset.name === best);
  }
}

function blank() {
  asked++;  // an answer that is still to come is about a sheet that was cleared
  again = false;
  clearTimeout(timer);
  $("answer").ariaBusy = "false";
  empty();
}

function empty() {
  $("verdict").textContent = "–";
  $("seen").hidden = true;
  $("note").textContent = "";
  fill({}, null);
}

function show(answer) {
  if (answer.error) {
    empty();
    $("note").textContent = answer.error;
    return;
  }
  const name = document.createElement("b");
  name.textContent = answer.class;
  name.classList.toggle("long", answer.class.length > 3);
  $("verdict").replaceChildren(name, `${(100 * answer.probability).toFixed(1)} % sure`);
  $("seen").hidden = !answer.seen;
  if (answer.seen) $("seen-image").src = answer.seen;
  $("note").textContent = `${answer.milliseconds.toFixed(1)} ms`;
  fill(answer.probabilities, answer.class);
}

async function begin() {
  const told = await (await fetch("model.json")).json();
  classes = told.classes;
  $("about").textContent = `${told.model}, a model of ${classes.length} classes (${told.task})`;
  $("hint").textContent = told.task === "digits" ? "Draw a digit" : "Open, paste or drop a picture";
  bars(classes.slice(0, MOST));
  fill({}, null);
}

$("origin").textContent = new URL(".", document.baseURI).href.replace(/\/$/, "");
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
paint();
begin();
