// Recomputes the chain of a sequential network when a value is changed. The rules are those of
// gradatim/anatomy/sizes.py and whatif.py; a test holds both to the same numbers.
"use strict";
const whatIf = (() => {
  const short = (x) => String(Math.round(x * 100) / 100);
  const grouped = (n) => n.toLocaleString("en-US");

  function size(n, k, s, p, d, ceil) {
    const reach = d * (k - 1) + 1, padded = n + 2 * p;
    if (reach > padded && !(ceil && reach - padded < s)) {
      throw new Error("a kernel that reaches " + reach +
        " positions does not fit into a padded input of " + padded);
    }
    const exact = (padded - reach) / s + 1;
    let output = ceil ? Math.ceil(exact) : Math.floor(exact);
    if (ceil && (output - 1) * s >= n + p) output -= 1;
    const kernel = d === 1 ? String(k) : "(" + d + "*(" + k + " - 1) + 1)";
    let text = "(" + n + " - " + kernel + (p ? " + 2*" + p : "") + ")/" + s + " + 1 = " +
      short(exact);
    if (output !== exact) text += " -> " + output;
    return { output, text };
  }

  function whole(value, least, what) {
    if (!Number.isInteger(value) || value < least) {
      throw new Error("the " + what + " must be a whole number of at least " + least);
    }
  }

  function slid(step, before) {
    const channels = before.shape[0];
    for (const axis of [0, 1]) {
      whole(step.kernel[axis], 1, "kernel");
      whole(step.stride[axis], 1, "stride");
      whole(step.padding[axis], 0, "padding");
      if (step.maximum && 2 * step.padding[axis] > step.kernel[axis]) {
        throw new Error("maximum pooling takes padding up to half its kernel");
      }
    }
    if (step.kind === "conv") {
      whole(step.output, 1, "number of channels");
      if (channels % step.groups || step.output % step.groups) {
        throw new Error(step.groups + " groups do not divide " + channels + " and " +
          step.output + " channels");
      }
    }
    const along = [0, 1].map((axis) => size(before.shape[1 + axis], step.kernel[axis],
      step.stride[axis], step.padding[axis], step.dilation[axis], step.ceil_mode));
    const places = [along[0].output, along[1].output];
    const row = {
      shape: [channels, ...places], formula: along[0].text, parameters: 0, macs: 0,
      field: before.field + step.dilation[0] * (step.kernel[0] - 1) * before.jump,
      jump: before.jump * step.stride[0],
    };
    if (step.kind === "conv") {
      const weights = step.output * channels / step.groups * step.kernel[0] * step.kernel[1];
      row.shape[0] = step.output;
      row.parameters = weights + (step.bias ? step.output : 0);
      row.macs = weights * places[0] * places[1];
    }
    return row;
  }

  function next(step, before) {
    const row = { ...before, formula: "", parameters: 0, macs: 0 };
    const shape = before.shape;
    if (step.kind === "same") return row;
    if (step.kind === "norm") return { ...row, parameters: 2 * shape[0] };
    if (step.kind === "flatten") {
      const all = shape.reduce((a, b) => a * b, 1);
      const formula = shape.length > 1 ? shape.join("*") + " = " + grouped(all) : grouped(all);
      return { ...row, shape: [all], formula };
    }
    if (step.kind === "linear") {
      if (shape.length !== 1) throw new Error("a linear layer needs a flat input");
      whole(step.output, 1, "number of features");
      const weights = shape[0] * step.output;
      return {
        ...row, shape: [step.output], formula: shape[0] + " -> " + step.output,
        parameters: weights + (step.bias ? step.output : 0), macs: weights,
      };
    }
    if (shape.length !== 3) throw new Error("a map is needed, channels x height x width");
    if (step.kind === "adaptive") {
      const [n, m] = [shape[1], step.windows[0]];
      return { ...row, shape: [shape[0], ...step.windows], formula: n + " -> " + m };
    }
    return slid(step, before);
  }

  function compute(chain) {
    let state = { shape: chain.shape, field: 1, jump: 1, parameters: 0, macs: 0 };
    return chain.steps.map((step) => {
      if (state.problem) return { problem: "depends on the step above" };
      try {
        state = next(step, state);
      } catch (error) {
        state = { problem: error.message };
      }
      return state;
    });
  }

  function enliven(element) {
    const first = JSON.parse(element.dataset.chain);
    let chain = structuredClone(first);
    const status = element.querySelector("[role=status]");
    const rows = [...element.querySelectorAll("tr[data-step]")];

    function show() {
      const found = compute(chain);
      let parameters = 0, macs = 0, problem = "";
      found.forEach((row) => { parameters += row.parameters || 0; macs += row.macs || 0; });
      for (const line of rows) {
        const index = Number(line.dataset.step), row = found[index];
        const put = (name, text) => { line.querySelector("." + name).textContent = text; };
        const bad = Boolean(row.problem);
        const here = bad && row.problem !== "depends on the step above";
        line.classList.toggle("impossible", bad);
        line.classList.toggle("changed",
          JSON.stringify(chain.steps[index]) !== JSON.stringify(first.steps[index]));
        line.querySelectorAll("input").forEach((input) => {
          input.setAttribute("aria-invalid", String(here));
        });
        put("size", bad ? "–" : row.shape.join(" x "));
        put("formula", bad ? row.problem : row.formula);
        put("parameters", bad ? "–" : grouped(row.parameters));
        put("macs", bad ? "–" : grouped(row.macs));
        put("field", bad || row.shape.length !== 3 ? "" : String(row.field));
        if (here && !problem) problem = line.querySelector("th").textContent + ": " + row.problem;
      }
      const foot = element.querySelector("tfoot");
      foot.querySelector(".parameters").textContent = problem ? "–" : grouped(parameters);
      foot.querySelector(".macs").textContent = problem ? "–" : grouped(macs);
      status.textContent = problem || grouped(parameters) + " parameters, " + grouped(macs) +
        " MACs";
    }

    element.addEventListener("input", (event) => {
      const name = event.target.dataset.name;
      const step = chain.steps[Number(event.target.closest("tr").dataset.step)];
      const value = event.target.value === "" ? NaN : Number(event.target.value);
      step[name] = Array.isArray(step[name]) ? [value, value] : value;
      show();
    });
    element.querySelector("button").addEventListener("click", () => {
      chain = structuredClone(first);
      element.querySelectorAll("input").forEach((input) => { input.value = input.defaultValue; });
      show();
    });
  }

  if (typeof document !== "undefined") {
    document.querySelectorAll(".what-if[data-chain]").forEach(enliven);
  }
  return { compute };
})();
if (typeof module !== "undefined") module.exports = whatIf;
