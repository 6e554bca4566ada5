/* The decisions of the page: those that the server has stored, and those that wait to be sent.
 *
 *   const decisions = new DeepGUM.Decisions(audit, {changed(places), refused(item, words, current), state()});
 *
 * A decision takes effect on the page at once. It waits in a queue, in order, until the server has acknowledged it, also
 * in another page of this browser if this one is closed. Each write has its own key, so the server stores it once even if
 * its answer was lost. A write names the decision that the page knew for the label; if there is a newer one, the server
 * refuses the write, and `refused` informs the reviewer.
 *
 * A place identifies a label by a text, `placeOf(sample id, group name)`. An entry is {seq, many, sample, group, action, new, reason, who, at};
 * `many` is the number of labels that were decided together, with one number.
 */
(function () {
  "use strict";
  const DeepGUM = (window.DeepGUM = window.DeepGUM || {});
  const EVERY = 4000; // milliseconds between requests for the decisions of others
  const AGAIN = 1500; // milliseconds between attempts while the server does not answer
  const PATIENCE = 20000;
  const GONE = "gone";
  const WAITING = "Decisions are waiting for the server. Try again when it answers.";
  const PREFIX = "deepgum-review:";

  const placeOf = (sample, group) => JSON.stringify([sample, group]);
  const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

  class Decisions {
    constructor(audit, hooks) {
      Object.assign(this, { audit, hooks, head: -1, undoable: null, redoable: null });
      this.held = new Map();
      this.queue = [];
      this.trouble = ""; // message while writes cannot be sent
      this.blocked = false; // whether sending again cannot help
      this._shelf = `${PREFIX}${audit}:${newKey()}`;
      this._adopt();
    }

    /* The current decision about a label, or null; `waiting` is true until the server has acknowledged it. */
    at(place) {
      const waiting = this.queue.findLast((item) => item.place === place);
      if (waiting) return { ...waiting.entry, waiting: true };
      return this.held.get(place) || null;
    }

    /* Decide: `entry` is {sample, group, action, new, suggested}. With `suggested`, `new` is only for display. */
    decide(entry) {
      const place = placeOf(entry.sample, entry.group);
      const before = this.queue.findLast((item) => item.place === place);
      const held = this.held.get(place);
      this.queue.push({
        key: newKey(), place, entry: { reason: "", ...entry },
        after: before ? before.key : null, expected: before || !held ? 0 : held.seq,
      });
      this._keep();
      this.hooks.changed([place]);
      this.send();
    }

    /* Decide about many labels at once: `write` is {labels: [[row, group, number of the current decision or 0], ...], action,
     * suggested, reason}. Returns "" if the decision is stored, otherwise the reason why not. It never waits in the queue. */
    async decideMany(write) {
      await this.send();
      if (this.queue.length) return WAITING;
      const answer = await this._ask("decisions/many", { audit: this.audit, key: newKey(), ...write });
      if (answer.status === 200) {
        await this._take(answer.body);
        return "";
      }
      await this._anew();
      return answer.status ? answer.body.message : `${answer.body.message} Whether it is stored will be shown when it answers.`;
    }

    /* Undo a decision, by default the last one; return {place, many}, or {words} with the reason why not. */
    async undo(entry) {
      const place = entry && placeOf(entry.sample, entry.group);
      const waiting = entry ? this.queue.findLast((item) => item.place === place) : this.queue.at(-1);
      if (waiting && this.trouble) {
        if (waiting.sent) return { words: "The decision may be stored already. Undo it when the server answers again." };
        this.queue.splice(this.queue.indexOf(waiting), 1);
        this._keep();
        this.hooks.changed([waiting.place]);
        return { place: waiting.place };
      }
      await this.send();
      return this._turn("undo", entry ? this.held.get(place) : this.undoable, "There is nothing to undo.");
    }

    async redo() {
      await this.send();
      return this._turn("redo", this.redoable, "There is nothing to redo.");
    }

    async _turn(which, target, nothing) {
      if (this.queue.length) return { words: WAITING };
      if (!target) return { words: nothing };
      const answer = await this._ask(which, { audit: this.audit, seq: target.seq, key: newKey() });
      if (answer.status === 200) {
        const { sample, group, many } = answer.body.entry;
        await this._take(answer.body);
        return { place: placeOf(sample, group), many };
      }
      if (answer.status === 409) await this.load();
      return { words: answer.body.message };
    }

    /* Load all decisions, because there are some that this page does not know. */
    _anew() {
      this.head = -1;
      return this.load();
    }

    /* Load the current decisions of all reviewers. */
    async load() {
      const known = this.head < 0 ? "" : `?since=${this.head}`;
      const answer = await this._ask(`decisions${known}`);
      if (answer.status !== 200) return this._stuck(answer);
      if (answer.body.audit !== this.audit) return this._stuck({ status: 410, body: { message: "The audit has changed. Load this page again." } });
      if (!this.queue.length || this.blocked || this.trouble === GONE) {
        this._free();
        this.send();
      }
      const { decisions, head } = answer.body;
      if (decisions === null || head < this.head) return undefined;
      const before = this.held;
      this.held = new Map(decisions.map((entry) => [placeOf(entry.sample, entry.group), entry]));
      this._set(answer.body);
      const seq = (map, place) => (map.get(place) || { seq: 0 }).seq;
      const places = new Set([...before.keys(), ...this.held.keys()]);
      this.hooks.changed([...places].filter((place) => seq(before, place) !== seq(this.held, place)));
      return undefined;
    }

    /* Load the decisions regularly while the page is visible. */
    watch() {
      setInterval(() => document.visibilityState === "visible" && !this._sending && this.load(), EVERY);
      document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.load());
    }

    /* Send the queue; resolves when it is empty, or when the server does not answer. */
    send() {
      if (!this._sending) this._sending = this._sendAll().finally(() => (this._sending = null));
      return this._sending;
    }

    async _sendAll() {
      clearTimeout(this._timer);
      while (this.queue.length) {
        const [item] = this.queue;
        const { sample, group, action, reason, suggested } = item.entry;
        item.sent = true;
        const answer = await this._ask("decisions", {
          audit: this.audit, sample, group, action, reason, suggested: Boolean(suggested),
          new: suggested ? null : item.entry.new || null, expected: item.expected, key: item.key,
        });
        if (answer.status === 200) {
          this._leave(item, answer.body.entry.seq);
          this._free();
          this._take(answer.body);
        } else if (answer.status === 409 || answer.status === 400 || answer.status === 413) {
          this._refuse(item, answer.body);
        } else {
          this._stuck(answer);
          if (!this.blocked) this._timer = setTimeout(() => this.send(), AGAIN);
          return;
        }
      }
    }

    _leave(item, seq) {
      this.queue.shift();
      for (const each of this.queue) {
        if (each.after === item.key) Object.assign(each, { after: null, expected: seq });
      }
      this._keep();
    }

    /* Also refuse the later decisions that are based on the refused one. */
    _refuse(item, body) {
      const refused = [item];
      for (const each of this.queue) {
        if (refused.some((one) => one.key === each.after)) refused.push(each);
      }
      this.queue = this.queue.filter((each) => !refused.includes(each));
      this._keep();
      if ("current" in body) {
        if (body.current) this.held.set(item.place, body.current);
        else this.held.delete(item.place);
      }
      this.hooks.changed([item.place]);
      this.hooks.refused(refused.at(-1), body.message, body.current || null);
      this._anew();
    }

    /* Apply the answer to a write. */
    _take(body) {
      if (body.entry.many > 1) return this._anew();
      const place = placeOf(body.entry.sample, body.entry.group);
      if (body.current) this.held.set(place, body.current);
      else this.held.delete(place);
      const next = body.head === this.head + 1;
      const head = next ? body.head : this.head;
      this._set({ ...body, head });
      this.hooks.changed([place]);
      return next ? undefined : this.load();
    }

    _set({ head, undo, redo }) {
      Object.assign(this, { head, undoable: undo, redoable: redo });
    }

    _stuck({ status, body }) {
      this.blocked = [403, 410, 421].includes(status);
      this.trouble = status ? body.message : GONE;
      this.hooks.state();
    }

    _free() {
      if (!this.trouble) return;
      Object.assign(this, { trouble: "", blocked: false });
      this.hooks.state();
    }

    async _ask(path, body) {
      const write = body && {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-Deepgum-Review": "1" },
        body: JSON.stringify(body),
      };
      try {
        const response = await DeepGUM.ask(path, { ...write, signal: AbortSignal.timeout(PATIENCE) });
        return { status: response.status, body: await response.json() };
      } catch (error) {
        if (error instanceof DeepGUM.AnotherServer) return { status: 421, body: { message: error.message } };
        return { status: 0, body: { message: `The server does not answer (${error.message}).` } };
      }
    }

    /* ---- the queue outlives the page ---- */

    _keep() {
      try {
        if (this.queue.length) localStorage.setItem(this._shelf, JSON.stringify(this.queue));
        else localStorage.removeItem(this._shelf);
      } catch {
        // Some browsers refuse to store; then the page asks before it is closed.
      }
      this.hooks.state();
    }

    /* Take over decisions that earlier pages could not send. If such a page sends them too, they are stored only once. */
    _adopt() {
      try {
        const shelves = Object.keys(localStorage).filter((name) => name.startsWith(`${PREFIX}${this.audit}:`));
        for (const shelf of shelves) {
          this.queue.push(...JSON.parse(localStorage.getItem(shelf)).map((item) => ({ ...item, sent: true })));
        }
        if (this.queue.length) localStorage.setItem(this._shelf, JSON.stringify(this.queue));
        shelves.forEach((shelf) => localStorage.removeItem(shelf));
      } catch {
        // There is no stored queue, or it cannot be read.
      }
    }
  }

  Object.assign(DeepGUM, { Decisions, placeOf });
})();
