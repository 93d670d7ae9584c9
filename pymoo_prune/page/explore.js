// Controls of a page: see explore.py, which writes their settings.
"use strict";
(() => {
  const OUTSIDE = "#c4c4ca", UNKNOWN = "#9b9ba1", DIM = 0.3;
  const REACH = 0.35;  // of the distance between two axes, from which a drag takes the nearest one
  const LEAST = 0.01;  // of an axis; a shorter drag is none

  function written(quantity, value) {
    if (Number.isNaN(value)) return "–";
    if (quantity.share) return `${(100 * value).toFixed(2)}\u00a0%`;
    if (Number.isInteger(value)) return value.toLocaleString("en-US");
    return `${Number(value.toPrecision(4))}`;
  }

  // Three digits, away from the networks that a bound must not lose.
  function rounded(value, relation) {
    if (value === 0) return "0";
    const unit = 10 ** (2 - Math.floor(Math.log10(Math.abs(value))));
    const whole = relation === "<=" ? Math.ceil(value * unit) : Math.floor(value * unit);
    return `${Number((whole / unit).toPrecision(3))}`;
  }

  function between([low, high], share, log) {
    return log
      ? Math.exp(Math.log(low) + share * (Math.log(high) - Math.log(low)))
      : low + share * (high - low);
  }

  class Explorer {
    constructor(page, settings) {
      [this.settings, this.model] = [settings, (id) => page.get_model_by_id(id)];
      this.sources = settings.sources.map(({id, fields}) => {
        const {data} = this.model(id);
        return {id, fields, own: [...data.colour], opacity: [...data.opacity]};
      });
      this.brushes = new Map();  // from an axis to the ends of its brush, between 0 and 1
      this.limits = new Map();  // from a size to the text of its bound
      this.colour = "";
      if (settings.scales) this.chooseColours();
      if (settings.parallel) this.followBrush();
      if (settings.bounds) this.followBounds();
      if (settings.searches) this.followEvaluations();
      this.show();
    }

    element(name) {
      return document.getElementById(`${this.settings.name}-${name}`);
    }

    // Which networks are left.

    conditions() {
      const found = [];
      for (const [axis, [low, high]] of this.brushes) {
        // An end of an axis is no limit: another method's networks may lie beyond it.
        const from = low <= 0 ? -Infinity : low, to = high >= 1 ? Infinity : high;
        found.push([axis.name, (value) => {
          const height = this.height(axis, value);
          return from <= height && height <= to;
        }]);
      }
      for (const bound of this.settings.bounds ?? []) {
        if (!this.limits.has(bound.name)) continue;
        // In the same steps as in Python, to the last bit.
        const number = Number(this.limits.get(bound.name));
        const limit = bound.parent === null ? number : (number / 100) * bound.parent;
        const sign = bound.relation === "<=" ? 1 : -1;
        found.push([bound.name, (value) => sign * (value - limit) <= 0]);
      }
      return found;
    }

    height({sign, log, worst, spread}, value) {
      if (spread === 0) return 0.5;
      return (worst - (log ? Math.log(value) : sign * value)) / spread;
    }

    inside(source) {
      const {data} = this.model(source.id);
      const columns = this.conditions().map(([name, keeps]) => [data[source.fields[name]], keeps]);
      return source.own.map((_, k) =>
        columns.every(([column, keeps]) => column !== undefined && keeps(column[k])));
    }

    // What is drawn.

    show() {
      for (const source of this.sources) {
        const inside = this.inside(source), model = this.model(source.id);
        const shade = this.shades(source, model.data);
        model.data.colour = inside.map((left, k) => (left ? shade(k) : OUTSIDE));
        model.data.opacity = inside.map((left, k) => source.opacity[k] * (left ? 1 : DIM));
        model.change.emit();
        if (source.id === this.settings.networks) this.showLeft(inside);
      }
    }

    shades(source, data) {
      if (this.colour === "") return (k) => source.own[k];
      const column = data[source.fields[this.colour]], {palette} = this.settings;
      const {ends: [low, high], log} = this.settings.scales[this.colour];
      const even = log ? Math.log : Number, span = even(high) - even(low);
      return (k) => {
        const value = column === undefined ? NaN : column[k];
        if (!Number.isFinite(value)) return UNKNOWN;
        const share = span === 0 ? 0 : (even(value) - even(low)) / span;
        return palette[Math.round(Math.min(Math.max(share, 0), 1) * (palette.length - 1))];
      };
    }

    showLeft(inside) {
      const {settings} = this;
      const rows = [...inside.keys()].filter((k) => inside[k]);
      const all = this.brushes.size + this.limits.size === 0;
      if (settings.table) this.model(settings.table).indices = all ? null : rows;
      if (settings.rows) {
        const found = document.getElementById(settings.rows).querySelectorAll("tbody tr");
        found.forEach((row, k) => { row.hidden = !inside[k]; });
      }
      if (settings.parallel) {
        const ranges = [...this.brushes].map(([axis, ends]) => this.rangeText(axis, ends));
        this.element("left").value = all
          ? "Drag along an axis to keep the networks there; a double click lets go of all."
          : `${rows.length} of ${inside.length} networks left. ${ranges.join(" ")}`;
        this.element("clear").disabled = all;
      }
      if (settings.bounds) this.showBest(rows, all);
    }

    rangeText(axis, ends) {
      const quantity = this.settings.quantities[axis.name];
      const values = ends.map((height) => {
        const cost = axis.worst - height * axis.spread;
        const value = axis.log ? Math.exp(cost) : axis.sign * cost;
        return quantity.share ? value : Number(value.toPrecision(4));
      });
      const [low, high] = values.sort((a, b) => a - b).map((value) => written(quantity, value));
      return `${quantity.label}: ${low} to ${high}.`;
    }

    // Colours.

    chooseColours() {
      this.element("colour").addEventListener("change", ({target}) => {
        this.colour = target.value;
        const scale = this.element("scale");
        scale.hidden = this.colour === "";
        if (this.colour !== "") {
          const quantity = this.settings.quantities[this.colour];
          const texts = this.settings.scales[this.colour].ends.map((end) => written(quantity, end));
          [scale.children[0].textContent, scale.children[2].textContent] = texts;
        }
        this.show();
      });
    }

    // Brushes.

    followBrush() {
      const panel = this.model(this.settings.parallel), [{axes}] = panel.tags;
      let axis = null, start = 0;
      const height = (y) => Math.min(Math.max(y, 0), 1);
      const drag = ({y}) => {
        if (axis === null) return;
        const ends = [start, height(y)].sort((a, b) => a - b);
        if (ends[1] - ends[0] >= LEAST) this.brushes.set(axis, ends);
        else this.brushes.delete(axis);
        this.showBrushes();
      };
      panel.on_event("panstart", ({x, y}) => {
        const nearest = Math.round(x);
        axis = Math.abs(x - nearest) <= REACH ? axes[nearest] ?? null : null;
        start = height(y);
      });
      panel.on_event("pan", drag);
      panel.on_event("panend", (event) => { drag(event); axis = null; });
      panel.on_event("doubletap", () => this.clear());
      this.element("clear").addEventListener("click", () => this.clear());
    }

    showBrushes() {
      const [{axes, brushes}] = this.model(this.settings.parallel).tags;
      const source = this.model(brushes), found = [...this.brushes];
      const places = found.map(([axis]) => axes.indexOf(axis));
      source.data = {
        left: places.map((place) => place - 0.06),
        right: places.map((place) => place + 0.06),
        bottom: found.map(([, [low]]) => low),
        top: found.map(([, [, high]]) => high),
      };
      this.show();
    }

    clear() {
      this.brushes.clear();
      for (const bound of this.settings.bounds ?? []) {
        const slider = this.element(`bound-${bound.name}`);
        slider.value = bound.relation === "<=" ? slider.max : slider.min;
        this.readBound(bound, slider);
      }
      this.showBrushes();
    }

    // The best within bounds.

    followBounds() {
      for (const bound of this.settings.bounds) {
        const slider = this.element(`bound-${bound.name}`);
        slider.addEventListener("input", () => { this.readBound(bound, slider); this.show(); });
        this.readBound(bound, slider);
      }
      this.element("copy").addEventListener("click", () => this.copy());
    }

    readBound(bound, slider) {
      const {name, relation, parent, ends, log} = bound;
      const output = this.element(`limit-${name}`);
      if (slider.value === (relation === "<=" ? slider.max : slider.min) || ends.length === 0) {
        this.limits.delete(name);
        output.value = "any";
      } else {
        const text = rounded(between(ends, slider.value / this.settings.steps, log), relation);
        this.limits.set(name, text);
        output.value = parent === null
          ? written(this.settings.quantities[name], Number(text)) : `${text}\u00a0% of the parent’s`;
      }
      slider.setAttribute("aria-valuetext", output.value);
    }

    best(rows) {
      const {networks, sources, quality, quantities} = this.settings;
      const {fields} = sources.find(({id}) => id === networks);
      const values = this.model(networks).data[fields[quality]] ?? [];
      const sign = quantities[quality]?.better === "lower" ? -1 : 1;
      const known = rows.filter((k) => !Number.isNaN(values[k]));
      const better = (k, best) => sign * values[k] > sign * values[best];
      return known.reduce((best, k) => (better(k, best) ? k : best), known[0]);
    }

    showBest(rows, all) {
      const {settings} = this, place = this.best(rows), none = place === undefined;
      const [sentence, list] = this.element("best").children;
      const choices = all ? "all networks" : `the ${rows.length} networks that are left`;
      sentence.textContent = none
        ? "No network is within these bounds."
        : `Of ${choices}, network ${place} is ${settings.praise} on the search images.`;
      list.replaceChildren(...(none ? [] : this.measurements(place)));
      this.element("command").textContent = none ? "" : this.command(place);
      this.element("copy").disabled = none;
      if (settings.best) this.model(settings.best).indices = none || all ? [] : [place];
    }

    measurements(place) {
      const {networks, sources, quantities, shown} = this.settings;
      const {data} = this.model(networks), {fields} = sources.find(({id}) => id === networks);
      return shown.map((name) => {
        const pair = document.createElement("div");
        const [label, value] = ["dt", "dd"].map((tag) => document.createElement(tag));
        label.textContent = quantities[name].label;
        value.textContent = data[fields[name].replace("value", "text")][place];
        pair.append(label, value);
        return pair;
      });
    }

    // A phrase where `--pick` can say it, else the network's number.
    command(place) {
      const {command, commands, bounds} = this.settings;
      if (command === "" || this.brushes.size > 0 || this.limits.size > 1) return commands[place];
      if (this.limits.size === 0) return `${command}${this.settings.quality}`;
      const [[name, text]] = this.limits;
      const {relation, parent} = bounds.find((bound) => bound.name === name);
      return `${command}'${name}${relation}${text}${parent === null ? "" : "%"}'`;
    }

    async copy() {
      const button = this.element("copy"), text = this.element("command");
      try {
        await navigator.clipboard.writeText(text.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(text);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    }

    // Evaluations.

    followEvaluations() {
      const slider = this.element("evaluations"), behind = this.element("behind");
      const show = () => this.showEvaluations(this.settings.stops[slider.value], behind.checked);
      slider.addEventListener("input", show);
      behind.addEventListener("change", () => {
        const ranged = behind.checked ? 1 : 0;
        for (const id of this.settings.panels) {
          const {x_range: x, y_range: y} = this.model(id);
          for (const range of [x, y]) {
            const [start, end] = range.tags[ranged];
            range.setv({start, end});
          }
        }
        show();
      });
      show();
    }

    showEvaluations(evaluations, behind) {
      const counts = this.settings.searches.map((one) => {
        const {number} = this.model(one.others).data;
        this.model(one.behind).indices =
          [...number.keys()].filter((k) => behind && number[k] < evaluations);
        return [one.name, this.showFront(one, evaluations)];
      });
      const slider = this.element("evaluations"), output = this.element("grown");
      const [after, all] = [evaluations, this.settings.evaluations]
        .map((count) => count.toLocaleString("en-US"));
      const found = counts.length === 1
        ? `${counts[0][1]} networks on the front`
        : `on the fronts ${counts.map(([name, count]) => `${name} ${count}`).join(", ")}`;
      output.value = `after ${after} of ${all}: ${found}`;
      slider.setAttribute("aria-valuetext", output.value);
    }

    showFront(one, evaluations) {
      const {data} = this.model(one.front), {since, until} = data;
      const now = [...since.keys()].filter((k) => since[k] <= evaluations && evaluations < until[k]);
      this.model(one.now).indices = now;
      if (one.lines !== null) this.drawLine(this.model(one.lines), data, now);
      this.model(one.front).change.emit();  // a filter clears the legend, and a source redraws it
      return now.length;
    }

    drawLine(lines, data, now) {
      const columns = {};
      for (const key of Object.keys(lines.data)) {
        const [, x, y] = key.split(" ");
        const order = [...now].sort((a, b) => data[x][a] - data[x][b]);
        columns[key] = order.map((k) => data[key.startsWith("x") ? x : y][k]);
      }
      lines.data = columns;
    }
  }

  function begin() {
    const page = window.Bokeh?.documents?.[0];
    if (page === undefined) return void setTimeout(begin, 20);
    document.querySelectorAll("script.explorer")
      .forEach((one) => new Explorer(page, JSON.parse(one.textContent)));
  }
  begin();
})();
